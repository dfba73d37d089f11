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

    def samples(self, k):
        """Yield (color, glow, label, depth) of the k x k samples of every pixel."""
        surface, geometry = np.asarray(self._surface), np.asarray(self._geometry)
        for i, j in np.ndindex(k, k):
            painted, placed = surface[i::k, j::k], geometry[i::k, j::k]
            yield painted[..., :3], painted[..., 3:], placed & 255, (placed >> 8) / 100

    def shape(self, outline, depth, ink, label):
        """Fill a polygon given in pixels as a flat list with an ink in RGBA.

        Without an ink it is labeled but not painted, like the gaps of a fence;
        without a label it is painted on what is already there, like a window.
        """
        if ink is not None:
            self._pens[0].polygon(outline, fill=tuple(ink))
        if label is not None:
            self._pens[1].polygon(outline, fill=label + 256 * int(100 * depth))

    def quads(self, points, color, label, normal=_TO_CAMERA, glow=0.0):
        """Fill polygons in space, shape (k, n, 3), of one color or of k colors.

        Returns the width and height of those in view, in pixels.
        """
        outlines, depths = self.camera.project(points)
        low, high = outlines.min(1), outlines.max(1)
        extent = high - low
        seen = (high > 0) & (low < (self.camera.width, self.camera.height))
        if label is None:  # details below the size of a sample would only flicker
            seen &= extent > 0.7
        kept = np.flatnonzero(seen[:, 0] & seen[:, 1])
        if len(kept):
            color = np.multiply(color, self.weather.shade(normal))
            inks = np.empty((len(outlines), 4), int)
            inks[:, :3] = np.minimum(np.maximum(color, 0), 255)
            inks[:, 3] = np.multiply(255, glow)
            outlines = outlines.reshape(len(outlines), -1)
            columns = outlines[kept], depths[kept, 0], inks[kept]
            for shape in zip(*(column.tolist() for column in columns), strict=True):
                self.shape(*shape, label)
        return extent[kept]

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
        self.shape(outline, depth, (*color, int(255 * glow)), label)

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
