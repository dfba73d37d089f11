"""Tiles of noise and of tree crowns, from which landscapes are cut."""

import functools
from dataclasses import dataclass

import numpy as np

TILE = 512
_CROWN = 9  # mean distance of two crowns, in samples


@functools.cache
def noise_tile(wavelength):
    """Return smooth noise that repeats, with mean 0 and standard deviation 1.

    Args:
        wavelength: Typical distance of two bumps, in samples.

    Returns:
        float32 array, two tiles high and wide.
    """
    rng = np.random.default_rng([7, wavelength])
    frequency = np.fft.fftfreq(TILE)
    square = frequency[:, None] ** 2 + frequency[: TILE // 2 + 1] ** 2
    spectrum = np.fft.rfft2(rng.standard_normal((TILE, TILE)))
    noise = np.fft.irfft2(spectrum * np.exp(-square * wavelength**2))
    noise = (noise - noise.mean()) / noise.std()
    return np.tile(noise.astype("float32"), (2, 2))


@dataclass(frozen=True)
class Crowns:
    """Crowns of trees that fill the plane, each sample with those of its nearest.

    Attributes:
        dx: Samples from the middle of the crown to the right.
        dy: Samples from the middle of the crown down.
        radius: Radius of the crown in samples.
        draws: Three numbers in [0, 1) that belong to the tree, `(3, H, W)`.
    """

    dx: np.ndarray
    dy: np.ndarray
    radius: np.ndarray
    draws: np.ndarray


@functools.cache
def crown_tile():
    """Return `Crowns`, two tiles high and wide."""
    rng = np.random.default_rng(8)
    count = TILE // _CROWN
    pitch = TILE / count
    jitter = rng.uniform(0.1, 0.9, (2, count, count))
    radii = rng.uniform(0.42, 0.72, (count, count)) * pitch
    draws = rng.random((3, count, count))
    at = np.arange(TILE) + 0.5
    cell = np.minimum((at / pitch).astype(int), count - 1)
    best = np.full((TILE, TILE), np.inf)
    found = np.zeros((6, TILE, TILE))
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            row = (cell + down)[:, None]
            column = (cell + right)[None]
            index = row % count, column % count
            dy = at[:, None] - (row + jitter[0][index]) * pitch
            dx = at[None] - (column + jitter[1][index]) * pitch
            distance = np.hypot(dx, dy) / radii[index]
            nearer = distance < best
            best = np.where(nearer, distance, best)
            values = dx, dy, radii[index], *draws[:, *index]
            found = np.where(nearer, np.stack(values), found)
    dx, dy, radius, *draws = np.tile(found.astype("float32"), (1, 2, 2))
    return Crowns(dx, dy, radius, np.stack(draws))


class Cutter:
    """Cuts pieces of the tiles, each at a place of its own.

    Args:
        rng: `numpy.random.Generator` that draws the places.
        side: Samples of a side of the pieces, at most a tile.
    """

    def __init__(self, rng, side):
        self.rng = rng
        self.side = side

    def noise(self, wavelength):
        """Return a piece of noise, `(side, side)`."""
        window = self._window()
        return noise_tile(wavelength)[window]

    def crowns(self):
        """Return `Crowns` of a piece."""
        window = self._window()
        tile = crown_tile()
        return Crowns(
            tile.dx[window],
            tile.dy[window],
            tile.radius[window],
            tile.draws[:, *window],
        )

    def _window(self):
        top, left = self.rng.integers(0, TILE, 2)
        return slice(top, top + self.side), slice(left, left + self.side)
