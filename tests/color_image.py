"""A picture to change the colors of."""

import numpy as np


def color_image():
    """Smooth colors with a saturated sky, an edge and a little noise, float, 0..255."""
    y, x = np.mgrid[:48, :64] / 64
    pixels = np.stack([40 + 150 * x, 60 + 120 * y, 200 - 130 * x * y], axis=-1)
    pixels[:12] = 255
    pixels[30:, 40:] *= 0.5
    pixels[20:, :40] += np.random.default_rng(0).normal(0, 4, (28, 40, 3))
    return np.clip(pixels, 0, 255)
