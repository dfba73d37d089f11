"""Bodies with a heading: a side view, extruded across."""

import math

import numpy as np

from keras_imas.data.scenes.item import Item
from keras_imas.data.scenes.shapes import locate, mix, rectangle


def extrude(canvas, place, profile, width, label, color, ends=(), flanks=(), taper=0):
    """Paint a body whose outline from the side is `profile`, as wide as `width`.

    Args:
        canvas: The canvas.
        place: Center and heading `(x, z, heading)`.
        profile: Points (along, up) from the lower back over the top to the lower
            front.
        width: Width of the body.
        label: Class of the body.
        color: Color of the body.
        ends: Details `(strip, left, low, right, high, color, glow)` on the strip
            between two points of the profile, in shares of its sides.
        flanks: Details `(points, color, glow)` on both sides, points (along, up).
        taper: How much narrower the body gets over each meter above 0.9 m.
    """
    along, up = np.asarray(profile, np.float64).T

    def half(up):
        return width / 2 - taper * np.maximum(up - 0.9, 0)

    def visible(face, outward):
        x, y, z = face.sum(0) / len(face)
        x, y = canvas.camera.bend(x, y, z)
        return x * outward[0] + (y - canvas.camera.eye) * outward[1] < -z * outward[2]

    left = locate(place, along, -half(up), up)
    right = locate(place, along, half(up), up)
    strips = np.stack([left[:-1], right[:-1], right[1:], left[1:]], 1)
    normals = np.cross(strips[:, 3] - strips[:, 0], strips[:, 1] - strips[:, 0])
    for k in np.argsort(-strips[:, :, 2].sum(1)).tolist():
        if not visible(strips[k], normals[k]):
            continue
        canvas.polygon(strips[k], color, label, normals[k])
        if place[1] > 70:
            continue  # too far for details
        a, b, c, d = strips[k]
        for strip, west, low, east, high, tint, glow in ends:
            if strip == k:
                s, t = rectangle(west, low, east, high).T[..., None]
                face = mix(mix(a, b, s), mix(d, c, s), t)
                canvas.polygon(face, tint, None, normals[k], glow)
    across = np.array([math.cos(place[2]), 0.0, -math.sin(place[2])])
    for sign, outline in ((-1, left), (1, right)):
        if not visible(outline, sign * across):
            continue
        canvas.polygon(outline, color, label, sign * across)
        for points, tint, glow in flanks if place[1] < 70 else ():
            points = np.asarray(points, np.float64)
            face = locate(place, points[:, 0], sign * half(points[:, 1]), points[:, 1])
            kind = label if glow < 0 else None
            canvas.polygon(face, tint, kind, sign * across, max(glow, 0))


def moving(place, back, front, width, height, paint):
    """An item that stands on a turned rectangle."""
    along = np.array([back, back, front, front])
    corners = locate(place, along, np.array([-1, 1, 1, -1]) * width / 2, 0.0)
    (x0, _, z0), (x1, _, z1) = corners.min(0), corners.max(0)
    return Item(min(z0 + 1.0, (z0 + z1) / 2), paint, (x0, x1, z0, z1), height)
