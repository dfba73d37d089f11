"""Random choices and noise."""

import functools

import numpy as np


def choose(rng, weights):
    """Draw a key of `weights` with a chance proportional to its value."""
    keys, values = list(weights), np.fromiter(weights.values(), np.float64)
    return keys[int(np.searchsorted(np.cumsum(values), rng.random() * values.sum()))]


@functools.cache
def noise_tile(smooth=False):
    """A tile of fractal noise, 256 x 256, that repeats without a seam."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
    frequency[0, 0] = np.inf
    spectrum = np.fft.fft2(rng.normal(size=(256, 256)))
    tile = np.fft.ifft2(spectrum / frequency ** (1.7 if smooth else 0.7)).real
    return tile / tile.std()
