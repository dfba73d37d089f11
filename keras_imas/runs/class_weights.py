"""Weights of the classes in the labeled loss."""

import numpy as np

BALANCED = "balanced"


def balanced_class_weights(pixels):
    """Return weights of classes that are larger the rarer a class is.

    The weight of class k is f_k^-1/2, f_k its share of the labeled pixels, divided by
    Σ f_k^1/2: so the mean weight of a labeled pixel is 1.

    Args:
        pixels: Number of labeled pixels of each class, `(C,)`.

    Returns:
        List of C floats; 1 for a class without labeled pixels, where nothing is to be
        weighed.

    Raises:
        ValueError: If no pixel has a label.

    Example:
        >>> balanced_class_weights([16, 4, 0])
        [0.8333333333333334, 1.6666666666666667, 1.0]
    """
    pixels = np.asarray(pixels, "float64")
    if not pixels.sum() > 0:
        raise ValueError(
            "`pixels` must hold the number of labeled pixels of each class, some of "
            f"them positive. Received: {pixels.tolist()}"
        )
    share = pixels / pixels.sum()
    present = share > 0
    weights = np.where(present, share, 1.0) ** -0.5 / np.sqrt(share).sum()
    return np.where(present, weights, 1.0).tolist()


def class_weights(text, labeled_pixels=None):
    """Return the weights that a flag asks for.

    Args:
        text: "balanced", numbers by commas, or "": none.
        labeled_pixels: Number of labeled pixels of each class, for "balanced". Defaults
            to `None`: not known.

    Returns:
        List of floats, or `None`.

    Raises:
        ValueError: If it is something else, or the pixels are needed.

    Example:
        >>> class_weights("1,2.5")
        [1.0, 2.5]
    """
    if not text:
        return None
    if text == BALANCED:
        if labeled_pixels is None:
            raise ValueError(
                'class_weights="balanced" needs `labeled_pixels`, the number of '
                "labeled pixels of each class. Received: None"
            )
        return balanced_class_weights(labeled_pixels)
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise ValueError(
            "`class_weights` must be balanced, or numbers by commas, one for each "
            f"class. Received: {text!r}"
        ) from None
