"""One image file or mask file: what its header says, and its pixels."""

import dataclasses
import math
import os
import re

import numpy as np

from keras_imas.data.matlab import read_matrix
from keras_imas.data.tiff import (
    channels_of_tiff,
    has_more_pages,
    signed,
    stored_size,
    unread_channels,
    white_is_zero,
)

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
MASK_SUFFIXES = (".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".mat")

# What a file may decode to; that of a decompression bomb is millions of pixels a byte.
MAX_PIXELS = 89_478_485  # beyond them Pillow warns of one

_ORIENTATION = 0x0112  # the EXIF tag; 1 is upright, 5 to 8 swap height and width
SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_COLORS = ("RGB", "RGBA", "P")
# What may tell how to rotate a PNG: before its pixels, by Pillow's names, and after
# them, where it is looked for in as many bytes, as Pillow decodes all to read on.
_PNG_INFO = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")
_PNG_MARKS = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")
_PNG_END = 1 << 16
_IDS = ("1", "L", "P", "I", "F", *SIXTEEN_BIT)


@dataclasses.dataclass(frozen=True)
class Header:
    """What a file's header tells, before its pixels are decoded.

    Attributes:
        size: `(height, width)` as shown, rotated as EXIF has it.
        mode: Pillow's mode, or "mat" for a file of MATLAB.
        form: Pillow's name of the file's format, by its content.
        lossy: whether the format is known to change values.
        stretched: whether it has grey of 2 or 4 bits, which Pillow stretches to 8.
        plain: whether TensorFlow decodes it as Pillow does, and faster.
        rotated: whether EXIF rotates or mirrors it.
        bits: bits of a value: 8 or fewer, 16 or 32.
        signed: whether these are 8 bits with a sign, which Pillow takes for 0..255.
        unread: channels besides color and alpha, which Pillow leaves out.
        several: whether it has more pages or frames, as large as the first.
        white_is_zero: whether 0 means white, for which Pillow inverts 8 or fewer bits.
        palette: bytes, red, green and blue of each index, or None.
    """

    size: tuple
    mode: str
    form: str = "mat"
    lossy: bool = False
    stretched: bool = False
    plain: bool = False
    rotated: bool = False
    bits: int = 8
    signed: bool = False
    unread: int = 0
    several: bool = False
    white_is_zero: bool = False
    palette: bytes | None = None

    @property
    def deep_colors(self):
        """Whether it has several channels of 16 bits, of which Pillow reads 8."""
        return self.bits == 16 and self.mode not in ("I", "F", *SIXTEEN_BIT)


def read_header(path, max_pixels=MAX_PIXELS):
    """Read the header of an image or a mask.

    Args:
        path: path of the file.
        max_pixels: pixels that it may have. Defaults to `MAX_PIXELS`.

    Returns:
        `Header`.

    Raises:
        ValueError: if it cannot be read, has more pixels, or is a MATLAB file without
            label map.
    """
    if not os.path.isfile(path) and os.path.exists(path):
        raise ValueError("it is not a regular file but a folder, a pipe or a device")
    if os.path.splitext(path)[1].lower() == ".mat":
        return Header(read_mat(path, max_pixels).shape, "mat")
    try:
        return _read_header(path, max_pixels)
    except Exception as error:  # of whatever kind a format's reader raises
        raise ValueError(str(error) or repr(error)) from None


def _read_header(path, max_pixels):
    from PIL import Image

    try:
        with Image.open(path) as image:
            check_pixels(image.width * image.height, max_pixels)
            mode, form = image.mode, image.format
            # Pillow would decode all of a PNG to look for EXIF after the pixels.
            known = form != "PNG" or _may_be_rotated(image)
            orientation = orientation_of(image) if known else 1
            height, width = stored_size(image)
            lossy = form in ("JPEG", "MPO") or image.info.get("compression") == "jpeg"
            stretched = _stored_as(image) in ("L;2", "L;4")
            more = {
                "bits": _bits(image),
                "signed": mode == "L" and signed(image),
                "unread": unread_channels(image),
                "white_is_zero": white_is_zero(image),
                "palette": _palette(image),
                "several": has_more_pages(image),  # last, as it turns them
            }
    except Image.DecompressionBombError as error:
        size = re.search(r"\d+", str(error))
        check_pixels(int(size[0]) if size else math.inf, max_pixels)
        raise
    except Image.UnidentifiedImageError:
        channels = channels_of_tiff(path)
        if channels > 3:
            raise ValueError(
                f"it has {channels} channels, and images have 3, or 1 of grey: save "
                "only the 3 that you need"
            ) from None
        raise
    plain = orientation == 1 and (
        (form == "PNG" and mode in ("L", "RGB", "RGBA"))
        or (form == "JPEG" and mode in ("L", "RGB"))
    )
    size = (width, height) if orientation in (5, 6, 7, 8) else (height, width)
    rotated = orientation != 1
    return Header(size, mode, form, lossy, stretched, plain, rotated, **more)


def allow_pixels(max_pixels):
    """Let Pillow decode images of so many pixels, where that is more than it does.

    Args:
        max_pixels: the number.

    Raises:
        ValueError: if it is not positive.
    """
    from PIL import Image

    if max_pixels < 1:
        raise ValueError(
            f"`max_pixels` must be positive. Received: max_pixels={max_pixels}"
        )
    if Image.MAX_IMAGE_PIXELS is not None:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, max_pixels)


def check_pixels(pixels, max_pixels):
    """Refuse what has too many pixels.

    Args:
        pixels: their number.
        max_pixels: the number that is allowed.

    Raises:
        ValueError: if there are more.
    """
    if pixels > max_pixels:
        raise ValueError(
            f"it has {pixels:,} pixels, more than max_pixels={max_pixels:,}. If it is "
            "meant to, and no decompression bomb, raise `max_pixels`"
        )


def stem(name):
    """Return a name without the suffix of an image file.

    Args:
        name: name or path.

    Returns:
        String.

    Example:
        >>> stem("bonn/a.v2.jpg"), stem("bonn/a.v2")
        ('bonn/a.v2', 'bonn/a.v2')
    """
    path, suffix = os.path.splitext(name)
    return path if suffix.lower() in IMAGE_SUFFIXES else name


def image_problem(header, image_range=None):
    """Tell why a file can't serve as an image.

    Args:
        header: `Header`.
        image_range: values of black and white, or None: those that the bits can hold.

    Returns:
        The reason, or None.
    """
    problem = _unread_problem(header)
    if problem:
        return problem
    if header.white_is_zero and header.bits > 8:
        return (
            f"has {header.bits} bits of which 0 is white (WhiteIsZero), and would be "
            "read as a negative: save it with 0 as black (BlackIsZero)"
        )
    if image_range is None:
        if header.mode in ("I", "F"):
            return (
                f"has {header.bits} bits a channel (mode {header.mode!r}), whose range "
                "is unknown: pass the values of black and white, image_range=(low, "
                "high), or save it with 8 or 16"
            )
        return None
    if header.bits <= 8 and not 0 <= image_range[0] < image_range[1] <= 255:
        return (
            f"has 8 bits, values 0 to 255, and image_range={tuple(image_range)} is for "
            "files of more"
        )
    if header.deep_colors and (header.form != "PNG" or header.rotated):
        return (
            "has 16 bits a color in a form of which 8 can be read: for image_range "
            "save it as PNG in RGB, not rotated by EXIF"
        )
    return None


def _unread_problem(header):
    """Tell what of a file would be lost, image or mask, or return None."""
    if header.signed:
        return "has 8 bits with a sign: save it with 16, or without"
    if header.several:
        return (
            "has several pages or frames, of which only the first would be read: save "
            "each one that you need as its own file"
        )
    if header.unread:
        return (
            f"has {header.unread} channels besides color and alpha, which are not "
            "read: save only the 3 that you need, or 1 of grey"
        )
    return None


def mask_problem(header, class_table=None):
    """Tell why a file can't serve as a mask.

    Args:
        header: `Header`.
        class_table: `ClassTable` or None.

    Returns:
        The reason, or None.
    """
    if header.lossy:
        return "is a JPEG, which changes values; a mask must be stored without loss"
    problem = _unread_problem(header)
    if problem:
        return problem
    if by_color(header.mode, class_table):
        return None
    if header.stretched:
        return (
            "has 2 or 4 bits of grey, which are read as shades from 0 to 255; save it "
            "with 8 bits"
        )
    # A negative of one bit is common, and any reader shows it as it was drawn.
    if header.white_is_zero and header.mode == "L":
        return (
            "has 0 as white (WhiteIsZero), for which its ids are inverted when it is "
            "read: save it with 0 as black (BlackIsZero)"
        )
    if header.form == "GIF":
        return (
            "is a GIF, whose palette is numbered anew when it is saved; save it as PNG"
        )
    if header.mode in ("mat", *_IDS):
        return None
    reason = (
        f"has mode {header.mode!r}, and a mask must have one channel ('L', 'I;16') or "
        "a palette ('P'), whose values are class ids"
    )
    if header.mode in _COLORS:
        reason += ", or colors that are listed: classes=, a CSV file of name,id,r,g,b"
    return reason


def by_color(mode, class_table):
    """Tell whether a mask's colors stand for classes, rather than its values.

    Args:
        mode: `Header.mode`.
        class_table: `ClassTable` or None.

    Returns:
        A boolean.
    """
    if class_table is None or not class_table.mask_colors:
        return False
    # Grey is a color too, where the table has nothing but greys.
    return mode in _COLORS or (mode in ("1", "L") and class_table.grey)


def _may_be_rotated(image):
    """Tell whether a PNG, not loaded yet, has something that may have it rotated."""
    if any(key in image.info for key in _PNG_INFO):
        return True
    place = image.fp.tell()
    end = image.fp.seek(0, os.SEEK_END)
    image.fp.seek(max(end - _PNG_END, 0))
    tail = image.fp.read()
    image.fp.seek(place)
    return any(mark in tail for mark in _PNG_MARKS)


def orientation_of(image):
    """Return how EXIF or XMP has an image shown: 1 to 8."""
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # of whatever kind; viewers show what is damaged as it is stored
        return 1


def _stored_as(image):
    """Return how Pillow names the form of the pixels in the file."""
    how = image.tile[0][3] if image.tile else ""
    return how if isinstance(how, str) else str(how[0]) if how else ""


def _bits(image):
    if image.mode in ("I", "F"):
        return 16 if "16" in _stored_as(image) else 32
    return 16 if image.mode in SIXTEEN_BIT or "16" in _stored_as(image) else 8


def _palette(image):
    """Return red, green and blue of each index, as bytes, or None."""
    palette = image.palette if image.mode == "P" else None
    if palette is None or palette.palette is None:
        return None
    values = np.frombuffer(bytes(palette.palette), "uint8")  # they may be a tuple
    how = palette.rawmode or palette.mode
    if how == "RGB;L":  # all reds, all greens, all blues
        return values[: len(values) // 3 * 3].reshape(3, -1).T.tobytes()
    size = {"RGB": 3, "BGR": 3, "RGBA": 4, "RGBX": 4, "BGRX": 4}.get(how)
    if size is None:
        return None
    colors = values[: len(values) // size * size].reshape(-1, size)[:, :3]
    return (colors[:, ::-1] if how.startswith("B") else colors).tobytes()


def read_mat(path, max_pixels=MAX_PIXELS):
    """Read a label map as SBD has it: `GTcls.Segmentation`."""
    try:  # a byte a pixel, and what SBD's files have besides
        label_map = read_matrix(path, "GTcls", "Segmentation", max_pixels + 2**24)
        check_pixels(label_map.size, max_pixels)
        if label_map.dtype.kind == "f" and not np.isfinite(label_map).all():
            raise ValueError("it has values that are not finite")
    except ValueError as error:
        raise ValueError(f"no label map GTcls.Segmentation: {error}") from None
    with np.errstate(invalid="ignore"):
        whole = label_map.astype("int32")
    if (whole != label_map).any():
        raise ValueError(
            "GTcls.Segmentation must hold whole numbers, height by width. Received: "
            f"dtype={label_map.dtype}"
        )
    return whole
