"""How the networks of a run predict."""


def prediction_options(examples, *, window, size_multiple):
    """Choose between a sliding window and whole images.

    Args:
        examples: `keras_imas.data.Examples` to predict.
        window: Side of the window in pixels; 0: whole images.
        size_multiple: Pixels that the sides of whole images are rounded up to a
            multiple of; 0: what keeps the number of sizes small.

    Returns:
        Dict of options of `keras_imas.inference.Predictor`.

    Example:
        >>> prediction_options(None, window=129, size_multiple=0)
        {'window': 129, 'size_multiple': 1}
    """
    if window:
        return {"window": window, "size_multiple": 1}
    multiple = size_multiple or examples.size_multiple()
    return {"window": None, "size_multiple": multiple}
