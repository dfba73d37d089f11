"""When to round image sizes up, because each size is compiled anew."""

_MOST_SIZES = 8
_MULTIPLE = 64


def size_multiple(sizes):
    """Return what to round the sides of images up to, so that few sizes are compiled.

    Args:
        sizes: The images' `(height, width)`, in any order, repeated or not.

    Returns:
        64 where there are more than 8 different sizes, else 1.

    Example:
        >>> size_multiple([(360, 480), (480, 360)])
        1
        >>> size_multiple((360, width) for width in range(480, 500))
        64
    """
    return _MULTIPLE if len(set(sizes)) > _MOST_SIZES else 1
