"""Outlines, and points between points."""

import math

import numpy as np

_TURNS = (np.arange(12) + 0.5) * math.tau / 12
DISC = np.stack([np.cos(_TURNS), np.sin(_TURNS)], -1)


def numbers(table):
    """Read rows of numbers, separated by commas, into an array."""
    return np.array([row.split() for row in table.split(",")], np.float64)


def rectangle(left, low, right, high):
    """Corners (4, 2) of a rectangle."""
    corners = [(left, low), (right, low), (right, high), (left, high)]
    return np.array(corners, np.float64)


def upright(outline, z):
    """Stand an outline (n, 2) up to face the camera at depth z: (n, 3)."""
    return np.column_stack([outline, np.full(len(outline), z)])


def locate(place, along, across, up):
    """Map a body's own coordinates to the street's, shape (..., 3).

    `place` holds its center and heading, `(x, z, heading)`.
    """
    x, z, heading = place
    sin, cos = math.sin(heading), math.cos(heading)
    x, z = x + along * sin + across * cos, z + along * cos - across * sin
    points = np.empty((*np.shape(x), 3))
    points[..., 0], points[..., 1], points[..., 2] = x, up, z
    return points


def mix(first, second, share):
    """Blend linearly from `first` to `second`."""
    return first + (np.asarray(second) - first) * share
