"""Pictures as addresses that hold them, so that a page needs no other file."""

import base64
import io

import numpy as np
from PIL import Image

from keras_imas.inference.drawing import JPEG_SIDE, colorize


def photograph_uri(image, width):
    """Return an image as a JPEG in a `data:` address.

    Args:
        image: `(H, W, 3)`, 0..255.
        width: Width in pixels that a wider image is scaled down to, and a higher one to
            the 65,500 that a JPEG can have.

    Returns:
        A string for the `src` of an `<img>`.

    Example:
        >>> photograph_uri(np.zeros((2, 4, 3)), width=2)[:23]
        'data:image/jpeg;base64,'
    """
    picture = Image.fromarray(np.clip(np.asarray(image), 0, 255).astype("uint8"))
    picture = picture.resize(_size(picture, width), Image.Resampling.LANCZOS)
    return _uri(picture, "jpeg", quality=85)


def label_map_uri(label_map, colors, width):
    """Return a label map as a PNG in a `data:` address, without a mix of colors.

    Args:
        label_map: Integers `(H, W)`.
        colors: `(C, 3)` RGB, 0..255. Other ids, as ignored ones, become black.
        width: Width in pixels that a wider label map is scaled down to.

    Returns:
        A string for the `src` of an `<img>`.

    Example:
        >>> label_map_uri(np.zeros((2, 4), int), [(9, 9, 9)], width=4)[:22]
        'data:image/png;base64,'
    """
    picture = Image.fromarray(colorize(label_map, colors))
    picture = picture.resize(_size(picture, width), Image.Resampling.NEAREST)
    return _uri(picture, "png", optimize=True)


def _size(picture, width):
    scale = min(width / picture.width, JPEG_SIDE / picture.height, 1)
    return [max(round(scale * side), 1) for side in picture.size]


def _uri(picture, form, **options):
    file = io.BytesIO()
    picture.save(file, form, **options)
    return f"data:image/{form};base64,{base64.b64encode(file.getvalue()).decode()}"
