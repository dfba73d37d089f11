"""How a data set is predicted: by windows, or as whole images of few sizes."""


def predictor_options(examples, *, window=0, size_multiple=0, flip=False):
    """Return the options of `Predictor` for the images of a data set.

    Args:
        examples: `keras_imas.data.Examples`.
        window: Side of a sliding window in pixels. Defaults to `0`: whole images.
        size_multiple: Pad whole images to multiples of so many pixels. Defaults to `0`:
            what the data set asks for, see `keras_imas.data.Examples.size_multiple`.
        flip: Whether to average with the mirrored image. Defaults to `False`.

    Returns:
        Dict of keyword arguments.

    Example:
        >>> from keras_imas.data import as_examples
        >>> import numpy as np
        >>> examples = as_examples(np.zeros((2, 8, 8, 3), "uint8"))
        >>> predictor_options(examples)
        {'size_multiple': 1, 'flip': False}
        >>> predictor_options(examples, window=512)
        {'window': 512, 'flip': False}
    """
    if window:
        return {"window": window, "flip": flip}
    return {"size_multiple": size_multiple or examples.size_multiple(), "flip": flip}
