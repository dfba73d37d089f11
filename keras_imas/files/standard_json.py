"""JSON by the standard, which other programs can read."""

import json
import math

import numpy as np


def dumps(value, **options):
    """Format a value as JSON, with `null` where a number is NaN or infinite.

    Python's own `json.dumps` writes NaN and Infinity, which the standard (RFC 8259)
    does not know.

    Args:
        value: Dicts, lists, tuples, NumPy arrays, strings, numbers, bools and `None`.
        **options: See `json.dumps`.

    Returns:
        A string.

    Example:
        >>> dumps({"mean_iou": float("nan"), "iou": np.array([0.5, 1.0])})
        '{"mean_iou": null, "iou": [0.5, 1.0]}'
    """
    return json.dumps(_standard(value), allow_nan=False, **options)


def _standard(value):
    if isinstance(value, dict):
        return {key: _standard(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_standard(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
