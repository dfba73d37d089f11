"""How the networks of a run predict."""

import numpy as np

# What of a recipe says how images are read.
READING = ("window", "scale", "flip", "size_multiple")
_PIXELS = 1 << 17  # of the windows that are run at once


def reading_of(recipe):
    """Return what of a recipe says how images are read.

    Args:
        recipe: Dict of a recipe, such as that of `run.json`.

    Returns:
        Dict of arguments of `prediction_options`.

    Example:
        >>> reading_of({"window": 129, "scale": 1.25, "steps": 3000})
        {'window': 129, 'scale': 1.25}
    """
    return {name: recipe[name] for name in READING if name in recipe}


def prediction_options(examples, *, window=0, scale=1.0, flip=False, size_multiple=0):
    """Choose between a sliding window and whole images.

    Args:
        examples: `keras_imas.data.Examples` to predict; `None`: whole images are not
            padded.
        window: Side of the window in pixels, or `(height, width)`; 0 or `None`: whole
            images. Defaults to `0`.
        scale: Factor to enlarge images by. Defaults to `1.0`.
        flip: Whether to average with the mirrored image. Defaults to `False`.
        size_multiple: Pixels that the sides of whole images are rounded up to a
            multiple of. Defaults to `0`: what keeps the number of sizes small.

    Returns:
        Dict of options of `keras_imas.inference.Predictor`.

    Example:
        >>> prediction_options(None, window=129, scale=1.25)
        {'window': 129, 'batch_size': 7, 'size_multiple': 1, 'scales': (1.25,),
        'flip': False}
    """
    batch_size, multiple = 1, 1
    if window:  # one at a time, small ones take twice as long
        pixels = int(np.prod(np.broadcast_to(window, 2)))
        batch_size = max(_PIXELS // max(pixels, 1), 1)
    elif examples is not None:
        multiple = size_multiple or examples.size_multiple()
    return {
        "window": window or None,
        "batch_size": batch_size,
        "size_multiple": multiple,
        "scales": (scale,),
        "flip": flip,
    }
