"""Which images are predicted whole, and which by windows."""

import math

from keras_imas.data.size_multiple import size_multiple

# Larger images are predicted by a window, so that they fit into memory.
_WHOLE_PIXELS = 2048 * 2048
_WINDOW = 1024


def whole_or_windows(sizes, window=None, multiple=1):
    """Sort images by how they are predicted.

    Args:
        sizes: Dict from an image's name to the `(height, width)` that the network sees.
        window: Side of a sliding window for all of them. Defaults to `None`: whole
            images, or windows of 1024 for those of more than 2048 times 2048 pixels.
        multiple: Pixels that the sides of such a window are rounded up to a multiple
            of. Defaults to `1`.

    Returns:
        List of `(options, names)`: arguments of `keras_imas.inference.Predictor`, and
        the names of the images to predict by it.

    Example:
        >>> whole_or_windows({"a": (480, 640), "b": (4000, 6000)})
        [({'size_multiple': 1}, ['a']), ({'window': 1024}, ['b'])]
    """
    if window:
        return [({"window": window}, list(sizes))]
    whole = [n for n, (h, w) in sizes.items() if h * w <= _WHOLE_PIXELS]
    large = [n for n, (h, w) in sizes.items() if h * w > _WHOLE_PIXELS]
    sides = size_multiple(sizes[name] for name in whole)
    side = math.ceil(_WINDOW / multiple) * multiple
    passes = [({"size_multiple": sides}, whole), ({"window": side}, large)]
    return [(options, names) for options, names in passes if names]
