"""One image file or mask file: what its header says, and its pixels."""

import dataclasses
import os

import numpy as np

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
MASK_SUFFIXES = (".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".mat")

_ORIENTATION = 0x0112  # the EXIF tag; 1 is upright, 5 to 8 swap height and width
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_COLORS = ("RGB", "RGBA", "P")
_IDS = ("1", "L", "P", "I", *_SIXTEEN_BIT)


@dataclasses.dataclass(frozen=True)
class Header:
    """What a file's header tells, before its pixels are decoded.

    Attributes:
        size: `(height, width)` as shown, rotated as EXIF has it.
        mode: Pillow's mode, or "mat" for a file of MATLAB.
        plain: whether TensorFlow decodes it as Pillow does, and faster.
        rotated: whether EXIF rotates or mirrors it.
    """

    size: tuple
    mode: str
    plain: bool
    rotated: bool


def read_header(path):
    """Reads the header of an image or a mask.

    Args:
        path: path of the file.

    Returns:
        `Header`.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if there are too many pixels, or a MATLAB file without label map.
    """
    if os.path.splitext(path)[1].lower() == ".mat":
        return Header(_read_mat(path).shape, "mat", False, False)
    from PIL import Image

    try:
        with Image.open(path) as image:
            height, width = image.height, image.width
            mode, form = image.mode, image.format
            # For a PNG without EXIF so far, Pillow would decode all of it to look on.
            known = form != "PNG" or "exif" in image.info
            orientation = image.getexif().get(_ORIENTATION, 1) if known else 1
    except Image.DecompressionBombError as error:
        raise ValueError(f"{error} (raise PIL.Image.MAX_IMAGE_PIXELS)") from None
    plain = orientation == 1 and (
        (form == "PNG" and mode in ("L", "RGB", "RGBA"))
        or (form == "JPEG" and mode in ("L", "RGB"))
    )
    size = (width, height) if orientation in (5, 6, 7, 8) else (height, width)
    return Header(size, mode, plain, orientation != 1)


def image_problem(header):
    """Tells why a file can't serve as an image.

    Args:
        header: `Header`.

    Returns:
        The reason, or None.
    """
    if header.mode in ("I", "F"):
        return (
            f"has 32 bits a channel (mode {header.mode!r}), whose range nobody knows; "
            "save it with 8 or 16"
        )
    return None


def mask_problem(path, header, class_table=None):
    """Tells why a file can't serve as a mask.

    Args:
        path: path of the file.
        header: `Header`.
        class_table: `ClassTable` or None.

    Returns:
        The reason, or None.
    """
    if os.path.splitext(path)[1].lower() in (".jpg", ".jpeg"):
        return "is a JPEG, which changes values; a mask must be stored without loss"
    if header.mode in ("mat", *_IDS) or by_color(header.mode, class_table):
        return None
    reason = (
        f"has mode {header.mode!r}, and a mask must have one channel ('L', 'I;16') or "
        "a palette ('P'), whose values are class ids"
    )
    if header.mode in _COLORS:
        reason += ", or colors that are listed: classes=, a CSV file of name,id,r,g,b"
    return reason


def load(paths, plain, class_table=None, *, small_ids=False):
    """Decodes an image, a mask, or both in a pipeline, whatever their formats.

    Of images, 16 bits become 8 by the higher byte, grey becomes RGB, alpha is left out,
    and what EXIF rotates is rotated.

    Args:
        paths: dict of string tensors, "image" and "label_map" or one of them.
        plain: boolean tensor, whether TensorFlow can decode them: `Header.plain`, and
            of a mask that it has one channel of ids.
        class_table: `ClassTable` whose colors stand for classes, or None.
        small_ids: whether all masks are plain, so that uint8 will do for their ids.
            Defaults to False.

    Returns:
        `(decoded, problem)`: a dict of `(H, W, 3)` uint8 and `(H, W)` int32 or uint8,
        and a string, empty where all is well. A color that the table does not list is
        the negative number of `unlisted_color`.
    """
    import tensorflow as tf

    ids = tf.uint8 if small_ids else tf.int32

    def decode_image(path):
        return tf.io.decode_image(tf.io.read_file(path), 3, expand_animations=False)

    def decode_mask(path):
        return tf.cast(tf.io.decode_png(tf.io.read_file(path), 1)[..., 0], ids)

    kinds = {
        "image": (decode_image, _pillow_image, np.zeros((0, 0, 3), "uint8")),
        "label_map": (
            decode_mask,
            lambda path: read_mask(path, class_table).astype(ids.as_numpy_dtype),
            np.zeros((0, 0), ids.as_numpy_dtype),
        ),
    }
    nothing = {key: kinds[key][2] for key in paths}

    def attempt():
        # A data set's errors can be ignored, an operation's can't: what TensorFlow
        # can't decode goes to Pillow, which can or says why not.
        decoded = tf.data.Dataset.from_tensors(paths).map(
            lambda paths: {key: kinds[key][0](path) for key, path in paths.items()}
        )
        decoded = decoded.ignore_errors()
        otherwise = tf.data.Dataset.from_tensors(nothing)
        return decoded.concatenate(otherwise).take(1).get_single_element()

    def slowly():
        found = {key: _slowly(path, *kinds[key][1:]) for key, path in paths.items()}
        decoded = {key: decoded for key, (decoded, _) in found.items()}
        return decoded, tf.strings.join([problem for _, problem in found.values()])

    decoded = tf.cond(
        plain, attempt, lambda: {k: tf.constant(v) for k, v in nothing.items()}
    )
    empty = tf.reduce_any([tf.size(value) == 0 for value in decoded.values()])
    decoded, problem = tf.cond(empty, slowly, lambda: (decoded, tf.constant("")))
    for key, value in decoded.items():
        decoded[key] = tf.ensure_shape(value, (None, None, *nothing[key].shape[2:]))
    return decoded, problem


def read_mask(path, class_table=None):
    """Reads the class ids of a mask.

    Args:
        path: path of the file.
        class_table: `ClassTable` whose colors stand for classes, or None.

    Returns:
        `(H, W)` int32 array. A color that the table does not list is a negative number.
    """
    if os.path.splitext(path)[1].lower() == ".mat":
        return _read_mat(path).astype("int32")
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        image = ImageOps.exif_transpose(image)
        if by_color(image.mode, class_table):
            return class_table.ids(np.asarray(image.convert("RGB")))
        return np.array(image).astype("int32")


def by_color(mode, class_table):
    """Tells whether a mask's colors stand for classes, rather than its values.

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


def _pillow_image(path):
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode in _SIXTEEN_BIT:
            grey = (np.asarray(image).astype("uint16") >> 8).astype("uint8")
            return np.repeat(grey[..., None], 3, axis=-1)
        return np.asarray(image.convert("RGB"))


def _slowly(path, read, nothing):
    """Reads a file with Pillow; returns a tensor and why it can't be read, or ""."""
    import tensorflow as tf

    @tf.autograph.experimental.do_not_convert
    def attempt(path):
        path = os.fsdecode(np.asarray(path).item())
        try:
            return read(path), b""
        except Exception as error:  # of whatever kind the decoder's library raises
            return nothing, f"{path} cannot be read: {error}".encode()

    return tuple(tf.numpy_function(attempt, [path], (nothing.dtype, tf.string)))


def _read_mat(path):
    """Reads a label map as SBD has it: `GTcls.Segmentation`."""
    try:
        from scipy.io import loadmat
    except ImportError:
        raise ValueError(
            "reading MATLAB files needs SciPy: pip install scipy"
        ) from None
    try:
        label_map = loadmat(path)["GTcls"]["Segmentation"][0, 0]
    except (KeyError, ValueError, IndexError, NotImplementedError, TypeError) as error:
        raise ValueError(f"no label map GTcls.Segmentation ({error!r})") from None
    return np.asarray(label_map)
