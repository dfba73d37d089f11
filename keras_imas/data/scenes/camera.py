"""The camera: where a point in space falls in the image."""

from dataclasses import dataclass

import numpy as np

# The image is painted at this multiple of its size and averaged, for smooth edges.
SUPERSAMPLING = 2
NEAR, FAR, SKY_DEPTH = 1.2, 170.0, 2000.0


@dataclass(frozen=True)
class _Camera:
    """A pinhole camera over a road that may bend sideways and up."""

    height: int
    width: int
    focal: float  # pixels
    center: float  # column of the vanishing point
    horizon: float  # row of the vanishing point
    eye: float  # height above the ground
    roll: float
    curve: float  # sideways acceleration of the road, 1/m
    hill: float  # upward acceleration of the road, 1/m

    def bend(self, x, y, z):
        """Lay points of the straight road along the bent one: (x, y)."""
        half = z * z / 2
        return x + self.curve * half, y + self.hill * half

    def project(self, points):
        """Map points (..., 3) to pixels (..., 2) and their depths (...)."""
        points = np.asarray(points, np.float64)
        # Long edges run along z, where moving a point to the near plane clips exactly.
        depth = np.maximum(points[..., 2], NEAR)
        x, y = self.bend(points[..., 0], points[..., 1], depth)
        pixels = np.empty((*depth.shape, 2))
        column = self.focal * x / depth
        pixels[..., 0] = self.center + column
        row = self.horizon + self.roll * column
        pixels[..., 1] = row - self.focal * (y - self.eye) / depth
        return pixels, depth

    def ground(self, column, row):
        """Find where the rays through pixels meet the road: (x, z), z inf in the sky.

        With slope d = (row - horizon) / focal, z solves hill z^2 / 2 + d z - eye = 0.
        """
        slope = (row - self.horizon - self.roll * (column - self.center)) / self.focal
        square = slope**2 + 2 * self.hill * self.eye
        below = slope + np.sqrt(np.maximum(square, 0))
        hit = (square >= 0) & (below > 1e-6)
        z = np.where(hit, 2 * self.eye / np.where(hit, below, 1), np.inf)
        far = np.minimum(z, SKY_DEPTH)
        return (column - self.center) / self.focal * far - self.curve * far**2 / 2, z

    def sees(self, footprint):
        """Tell whether what stands on `(x0, x1, z0, z1)` may be in view."""
        if footprint is None:
            return True
        x0, x1, z0, z1 = footprint
        if z1 < NEAR:
            return False
        ends = [(x, max(z, NEAR)) for z in (z0, z1) for x in (x0, x1)]
        columns = [
            self.center + self.focal * self.bend(x, 0, z)[0] / z for x, z in ends
        ]
        margin = 3.0 * self.focal / max(z0, NEAR)
        return max(columns) > -margin and min(columns) < self.width + margin


def plan_camera(rng, height, width):
    """Mount a camera for images of `height` by `width` samples."""
    bend = rng.random() < 0.45
    return _Camera(
        height=height,
        width=width,
        focal=width * rng.uniform(0.72, 1.15),
        center=width * rng.normal(0.5, 0.06),
        horizon=height * min(max(rng.normal(0.43, 0.045), 0.3), 0.56),
        eye=rng.uniform(1.15, 1.75) + (rng.random() < 0.1) * rng.uniform(0.3, 0.9),
        roll=rng.normal(0, 0.008),
        curve=rng.normal(0, 0.0025) if bend else 0.0,
        # What lies behind a crest would have to be hidden; streets only rise.
        hill=max(rng.normal(0.0, 0.0005), 0.0),
    )
