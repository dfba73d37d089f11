"""The pixels of one image file or mask file."""

import math
import os

import numpy as np

from keras_imas.augment.weak import nearest
from keras_imas.backends.installed import has_tensorflow
from keras_imas.data.files import (
    MAX_PIXELS,
    SIXTEEN_BIT,
    by_color,
    check_pixels,
    orientation_of,
    read_header,
    read_mat,
)
from keras_imas.data.tiff import unsigned


def load(
    paths,
    plain,
    class_table=None,
    *,
    image_range=None,
    small_ids=False,
    max_pixels=MAX_PIXELS,
):
    """Decode an image, a mask, or both in a pipeline, whatever their formats.

    Of images, 16 bits become 8 by the higher byte, grey becomes RGB, alpha is left out,
    and what EXIF rotates is rotated.

    Args:
        paths: dict of string tensors, "image" and "label_map" or one of them.
        plain: boolean tensor, whether TensorFlow can decode them: `Header.plain`, and
            of a mask that it has one channel of ids.
        class_table: `ClassTable` whose colors stand for classes, or None.
        image_range: as in `read_image`. Defaults to None.
        small_ids: whether all masks are plain, so that uint8 will do for their ids.
            Defaults to False.
        max_pixels: pixels that a file may have. Defaults to `MAX_PIXELS`.

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
        "image": (
            decode_image,
            lambda path: read_image(path, image_range, max_pixels),
            np.zeros((0, 0, 3), "uint8"),
        ),
        "label_map": (
            decode_mask,
            lambda path: read_mask(path, class_table, max_pixels).astype(
                ids.as_numpy_dtype
            ),
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


def read_mask(path, class_table=None, max_pixels=MAX_PIXELS):
    """Read the class ids of a mask.

    Args:
        path: path of the file.
        class_table: `ClassTable` whose colors stand for classes, or None.
        max_pixels: pixels that it may have. Defaults to `MAX_PIXELS`.

    Returns:
        `(H, W)` int32 array. A color that the table does not list is a negative number.
    """
    if os.path.splitext(path)[1].lower() == ".mat":
        return read_mat(path, max_pixels)
    from PIL import Image

    with Image.open(path) as image:
        check_pixels(image.width * image.height, max_pixels)
        if by_color(image.mode, class_table):
            return class_table.ids(np.asarray(upright(image).convert("RGB")))
        values = _values(image)
    if values.dtype.kind == "f":
        broken = values[~(np.isfinite(values) & (values == np.floor(values)))]
        if broken.size:
            raise ValueError(
                "a mask must hold whole numbers, class ids. Received: floats such as "
                f"{broken[0]:g}"
            )
    with np.errstate(invalid="ignore"):
        ids = values.astype("int32")
    beyond = values[ids != values]
    if beyond.size:
        raise ValueError(
            f"a mask must hold class ids, up to 2147483647. Received: {beyond[0]:.0f}"
        )
    return ids


def read_image(path, image_range=None, max_pixels=math.inf):
    """Read the pixels of an image, as `load` does.

    Args:
        path: path of the file.
        image_range: `(low, high)`, the values in the file that become 0 and 255; what
            is beyond becomes these too. Defaults to None: all that the file's bits can
            hold.
        max_pixels: pixels that it may have. Defaults to any number.

    Returns:
        `(H, W, 3)` uint8 array.
    """
    from PIL import Image

    if image_range is not None:
        values = read_values(path, max_pixels)
        if not np.isfinite(values).all():
            raise ValueError("it has values that are not finite")
        low, high = image_range
        scaled = (values.astype("float64") - low) * (255 / (high - low))
        return _as_rgb(np.rint(np.clip(scaled, 0, 255)).astype("uint8"))
    with Image.open(path) as image:
        check_pixels(image.width * image.height, max_pixels)
        image = upright(image)
        if image.mode in SIXTEEN_BIT:
            return _as_rgb((np.asarray(image).astype("uint16") >> 8).astype("uint8"))
        return np.asarray(image.convert("RGB"))


def checked_range(image_range):
    """Refuse an image range that is none.

    Args:
        image_range: as in `read_image`.

    Returns:
        The two values as a tuple, or None.

    Raises:
        ValueError: if it is not two finite numbers, the lower one first.

    Example:
        >>> checked_range([0, 4095])
        (0, 4095)
    """
    if image_range is None:
        return None
    values = tuple(image_range)
    if len(values) != 2 or not -math.inf < values[0] < values[1] < math.inf:
        raise ValueError(
            "`image_range` must be (low, high), the values that become black and "
            f"white, such as (0, 4095). Received: image_range={values!r}"
        )
    return values


def read_values(path, max_pixels=math.inf):
    """Read the values of an image as the file holds them.

    Args:
        path: path of the file.
        max_pixels: pixels that it may have. Defaults to any number.

    Returns:
        `(H, W)` or `(H, W, 3)` array, without alpha.
    """
    from PIL import Image

    header = read_header(path, max_pixels)
    if header.deep_colors and header.form == "PNG":
        if not has_tensorflow():
            raise ValueError(
                "its 16 bits a color can be read with TensorFlow alone, which is not "
                "installed: save it as grey, or do without image_range"
            )
        import tensorflow as tf  # Pillow reads 8 bits a color

        content = tf.io.read_file(os.fspath(path))
        return tf.io.decode_png(content, 3, tf.uint16).numpy()
    with Image.open(path) as image:
        if image.mode in ("L", "I", "F", *SIXTEEN_BIT):
            return _values(image)
        return np.array(upright(image).convert("RGB"))


def resized(values, size):
    """Resize an image, bilinear and antialiased, or a label map, nearest.

    Args:
        values: `(H, W, 3)` uint8 array, or `(H, W)` integer array.
        size: `(height, width)` of the result.

    Returns:
        Array of the same kind.
    """
    from PIL import Image

    if values.ndim == 3:
        image = Image.fromarray(values).resize(size[::-1], Image.Resampling.BILINEAR)
        return np.asarray(image)
    rows, columns = (
        nearest(np.arange(new), old, new)
        for new, old in zip(size, values.shape, strict=True)
    )
    return values[rows][:, columns]


def _as_rgb(values):
    return values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=-1)


def _values(image):
    """Return the values of an image of one channel, as EXIF has it shown."""
    without_sign = unsigned(image)
    values = np.array(upright(image))
    return values.view("uint32") if without_sign else values


def upright(image):
    """Turn an image as EXIF has it shown.

    Args:
        image: `PIL.Image.Image`.

    Returns:
        `PIL.Image.Image`, itself where there is nothing to turn.
    """
    from PIL import ImageOps

    if image.format == "TIFF" and orientation_of(image) in (5, 6, 7, 8):
        # So that Pillow 13 does not map it into memory, by the height and width that
        # are shown: it would be scrambled.
        image.filename = ""
    image.load()
    return image if orientation_of(image) == 1 else ImageOps.exif_transpose(image)


def _slowly(path, read, nothing):
    """Read a file with Pillow; returns a tensor and why it can't be read, or ""."""
    import tensorflow as tf

    @tf.autograph.experimental.do_not_convert
    def attempt(path):
        path = os.fsdecode(np.asarray(path).item())
        try:
            return read(path), b""
        except Exception as error:  # of whatever kind the decoder's library raises
            return nothing, f"{path} cannot be read: {error}".encode()

    return tuple(tf.numpy_function(attempt, [path], (nothing.dtype, tf.string)))
