"""Read a photograph to predict, or say why it can't be read."""

from keras_imas.data import files, pixels


def photograph_header(path, max_pixels, image_range):
    """Read the header of an image file.

    Args:
        path: Path of the file.
        max_pixels: Pixels that it may have.
        image_range: `(low, high)`, the values that become 0 and 255; `None`: those that
            the files' bits can hold.

    Returns:
        `(header, problem)`: `keras_imas.data.files.Header`, and why the image can't be
        predicted, a clause without its subject; one of them is `None`.

    Example:
        >>> photograph_header("missing.png", 100, None)[1].split(":")[0]
        'cannot be read'
    """
    try:
        header = files.read_header(path, max_pixels)
        return header, files.image_problem(header, image_range)
    except (OSError, ValueError) as error:
        return None, f"cannot be read: {error}"


def read_photograph(path, image_range):
    """Read the pixels of an image file.

    Args:
        path: Path of the file.
        image_range: See `photograph_header`.

    Returns:
        `(image, problem)`: uint8 array `(H, W, 3)`, and why it can't be read; one of
        them is `None`.
    """
    try:
        return pixels.read_image(path, image_range), None
    except Exception as error:  # decoders raise errors of many types
        return None, f"cannot be read: {error}"
