"""A mask's file: class ids, with colors as palette, and where they come from."""

import os

import numpy as np
from PIL import Image, PngImagePlugin

from keras_imas.inference.georeference import as_tags

_MADE_FROM = "keras_imas: made from"  # the key of a text in a mask
_DESCRIPTION = 270  # the tag of a text in a TIFF
_TIFF = (".tif", ".tiff")


def save_mask(path, label_map, colors, *, georeference=None, made_from=None):
    """Write class ids as an image, with the classes' colors as its palette.

    Args:
        path: Path of the file, a `.png` or a `.tif`.
        label_map: Integers `(H, W)`.
        colors: `(C, 3)` RGB, 0..255. More than 256 classes have 16 bits, and no
            palette.
        georeference: As `keras_imas.inference.georeference.read_georeference` returns
            it; a PNG can't hold it. Defaults to `None`.
        made_from: Text to read again by `made_from`. Defaults to `None`.

    Raises:
        ValueError: If the file would be neither a PNG nor a TIFF.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = os.path.join(directory, "mask.png")
        ...     save_mask(path, [[0, 1]], [(0, 0, 9), (250, 0, 0)], made_from="a1")
        ...     made_from(path)
        'a1'
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in (".png", *_TIFF):
        raise ValueError(
            "Masks are saved as .png or .tif, in which class ids stay as they are. "
            f"Received: {str(path)!r}"
        )
    colors = np.asarray(colors, "uint8")
    small = len(colors) <= 256
    mask = Image.fromarray(np.asarray(label_map, "uint8" if small else "uint16"))
    if small:
        mask.putpalette(colors.tobytes())
    save_picture(path, mask, georeference=georeference, text=made_from)


def save_picture(path, picture, *, georeference=None, text=None):
    """Write a picture as PNG or TIFF, without loss.

    Args:
        path: Path of the file.
        picture: `PIL.Image.Image`.
        georeference: See `save_mask`. Defaults to `None`.
        text: Text to read again by `made_from`. Defaults to `None`.
    """
    if os.path.splitext(path)[1].lower() in _TIFF:
        tags = as_tags(georeference)
        if text is not None:
            tags[_DESCRIPTION] = f"{_MADE_FROM} {text}"
        picture.save(path, "TIFF", tiffinfo=tags, compression="tiff_deflate")
        return
    texts = PngImagePlugin.PngInfo()
    if text is not None:
        texts.add_text(_MADE_FROM, text)
    picture.save(path, "PNG", pnginfo=texts)


def made_from(path):
    """Return what a mask says that it was made from.

    Args:
        path: Path of the mask.

    Returns:
        The text that `save_mask` was given; `None` if there is none, or the file is
        missing or damaged.

    Example:
        >>> made_from("missing.png") is None
        True
    """
    try:
        with Image.open(path) as mask:
            if mask.format == "TIFF":
                text = str(mask.tag_v2.get(_DESCRIPTION, ""))
                found = text.removeprefix(f"{_MADE_FROM} ")
                return None if found == text else found
            return mask.info.get(_MADE_FROM)
    except Exception:  # it is damaged, of whatever kind Pillow finds that
        return None
