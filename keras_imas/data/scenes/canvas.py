"""The canvas: paints shapes in space into the image and the label map at once."""

import math

import numpy as np
from PIL import Image, ImageDraw

from keras_imas.data.scenes.camera import NEAR

_TO_CAMERA = (0.0, 0.2, -1.0)


class Canvas:
    """The image and the label map, painted together.

    `surface` holds color and glow as RGBA; `geometry` holds label + 256 * depth in cm.
    """

    def __init__(self, camera, weather, surface, geometry):
        self.camera, self.weather = camera, weather
        self._surface = Image.fromarray(surface)
        self._geometry = Image.fromarray(geometry)
        self._pens = ImageDraw.Draw(self._surface), ImageDraw.Draw(self._geometry)

    def layers(self):
        """Return (surface, label, depth) as arrays."""
        geometry = np.asarray(self._geometry)
        return np.asarray(self._surface), geometry & 255, (geometry >> 8) / 100.0

    def shape(self, outline, depth, color, label, glow=0.0):
        """Fill a polygon given in pixels as a flat list.

        Without a color it is labeled but not painted, like the gaps of a fence;
        without a label it is painted on what is already there, like a window.
        """
        if color is not None:
            self._pens[0].polygon(outline, fill=(*color, int(255 * glow)))
        if label is not None:
            self._pens[1].polygon(outline, fill=label + 256 * int(100 * depth))

    def quads(self, points, color, label, normal=_TO_CAMERA, glow=0.0):
        """Fill polygons in space, shape (k, n, 3), of one color or of k colors.

        Returns the largest extent of those in view, in pixels, or 0.
        """
        outlines, depths = self.camera.project(points)
        low, high = outlines.min(1), outlines.max(1)
        seen = (high > 0) & (low < (self.camera.width, self.camera.height))
        if label is None:  # details below the size of a sample would only flicker
            seen &= high - low > 0.7
        kept = np.flatnonzero(seen[:, 0] & seen[:, 1])
        if not len(kept):
            return 0.0
        colors = np.asarray(color) * self.weather.shade(normal)
        colors = np.minimum(np.maximum(colors, 0), 255).astype(int).tolist()
        flat, depths = (
            outlines.reshape(len(outlines), -1).tolist(),
            depths[:, 0].tolist(),
        )
        single, even = not isinstance(colors[0], list), np.ndim(glow) == 0
        for k in kept.tolist():
            paint = colors if single else colors[k]
            self.shape(flat[k], depths[k], paint, label, glow if even else glow[k])
        return float((high - low)[kept].min(1).max())

    def polygon(self, points, color, label, normal=_TO_CAMERA, glow=0.0):
        """Fill one polygon in space, shape (n, 3); without a color, only its label."""
        if color is not None:
            self.quads(np.asarray(points)[None], color, label, normal, glow)
        else:
            outline, depth = self.camera.project(points)
            self.shape(outline.ravel().tolist(), depth[0], None, label)

    def limb(self, start, end, radius, color, label, glow=0.0):
        """Draw a rod with round ends between two points in space."""
        camera, ends = self.camera, []
        for x, y, z in (start, end):
            z = max(z, NEAR)
            x, y = camera.bend(x, y, z)
            column = camera.focal * x / z
            row = camera.roll * column - camera.focal * (y - camera.eye) / z
            ends.append((camera.center + column, camera.horizon + row))
        (u0, v0), (u1, v1) = ends
        depth = max((start[2] + end[2]) / 2, NEAR)
        pixels = max(camera.focal * radius / depth, 0.3)
        angle, outline = math.atan2(v1 - v0, u1 - u0), []
        for u, v, side in ((u1, v1, -0.5), (u0, v0, 0.5)):
            for k in range(6):
                turn = angle + math.pi * (k / 5 + side)
                outline += (u + pixels * math.cos(turn), v + pixels * math.sin(turn))
        shade = self.weather.shade(_TO_CAMERA)
        color = [min(max(int(channel * shade), 0), 255) for channel in color]
        self.shape(outline, depth, color, label, glow)

    def discs(self, centers, radii, colors, label):
        """Draw discs that face the camera; centers (k, 3), radii (k), colors (k, 3)."""
        middles, depths = self.camera.project(centers)
        radii = np.maximum(self.camera.focal * np.asarray(radii) / depths, 0.4)[:, None]
        boxes = np.concatenate([middles - radii, middles + radii], 1).tolist()
        colors = np.clip(colors, 0, 255).astype(int).tolist()
        value = label + 256 * int(100 * depths.mean())
        for box, color in zip(boxes, colors, strict=True):
            self._pens[0].ellipse(box, fill=(*color, 0))
            self._pens[1].ellipse(box, fill=value)
