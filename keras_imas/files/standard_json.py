"""JSON by the standard, which other programs can read."""

import json
import math

import numpy as np

_FLOAT = "__float__"  # the key of a number that JSON has not


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


def dumps_exactly(value):
    """Format a value as JSON from which `loads_exactly` makes the same again.

    Args:
        value: See `dumps`.

    Returns:
        A string.

    Example:
        >>> dumps_exactly({"best": float("-inf")})
        '{"best": {"__float__": "-inf"}}'
    """
    return json.dumps(_standard(value, _named), allow_nan=False)


def loads_exactly(text):
    """Read what `dumps_exactly` wrote.

    Args:
        text: A string, or bytes in UTF-8.

    Returns:
        The value, of dicts, lists, strings, numbers, bools and `None`.

    Raises:
        ValueError: If it is no JSON.

    Example:
        >>> loads_exactly(dumps_exactly({"best": float("-inf")}))
        {'best': -inf}
    """
    return json.loads(text, object_hook=_unnamed)


def as_read(value):
    """Return a value as it is read back from a file that `dumps` wrote.

    Args:
        value: See `dumps`.

    Returns:
        The value, of dicts, lists, strings, numbers, bools and `None`.

    Example:
        >>> as_read({"window": (8, 8)})
        {'window': [8, 8]}
    """
    return json.loads(dumps(value))


def _standard(value, replacement=lambda number: None):
    if isinstance(value, dict):
        return {key: _standard(item, replacement) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_standard(item, replacement) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return replacement(value)
    return value


def _named(number):
    return {_FLOAT: str(number)}


def _unnamed(found):
    return float(found[_FLOAT]) if list(found) == [_FLOAT] else found
