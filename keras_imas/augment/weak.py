"""The weak view: scale, flip and crop, the same for image and label map."""

from keras_imas.imagenet import MEAN_COLOR


def weak_view(
    image,
    label_map=None,
    *,
    crop_size,
    scale_range=(0.5, 2.0),
    flip=True,
    padding_color=MEAN_COLOR,
    ignore_class=255,
    seed,
):
    """Scale, flip and crop one image, and its label map alike.

    The image is scaled by one uniform draw (bilinear, antialiased as Pillow does;
    label maps: nearest), mirrored with probability ½ and cropped at a uniform place.
    Where the scaled image is smaller than the crop, the padding is at the bottom and
    at the right. Only the pixels of the crop are computed, whatever the scale.

    The draws are a function of `seed` alone, so that threads can't reorder them.

    Args:
        image: `(H, W, 3)` tensor, 0..255, `uint8` or float.
        label_map: `(H, W)` integer tensor of class ids, or None.
        crop_size: `(height, width)` of the crop, in pixels.
        scale_range: `(low, high)` of the scale. Defaults to `(0.5, 2.0)`.
        flip: whether to mirror half of the images. Defaults to True.
        padding_color: RGB value of padding in the image, 0..255. Defaults to
            the mean color of ImageNet.
        ignore_class: id of padding in the label map. Defaults to 255.
        seed: `(2,)` integer tensor.

    Returns:
        `(image, label_map, valid)`: `(h, w, 3)` float32, `(h, w)` int32 (None if
        none was given), and `(h, w)` float32 with 1 for the image and 0 for padding.

    Raises:
        ValueError: if the image has not three channels, or the label map no integers.

    Example:
        >>> import numpy as np
        >>> image, _, valid = weak_view(
        ...     np.zeros((8, 8, 3), "uint8"),
        ...     crop_size=(16, 16),
        ...     scale_range=(1, 1),
        ...     seed=(0, 0),
        ... )
        >>> image.shape, float(valid.numpy().sum())
        (TensorShape([16, 16, 3]), 64.0)
    """
    import tensorflow as tf

    image = tf.convert_to_tensor(image)
    if image.shape.rank not in (3, None) or image.shape[2:] not in ([3], [None]):
        raise ValueError(
            f"`image` must be (height, width, 3), RGB. Received: shape={image.shape}"
        )
    if label_map is not None:
        label_map = tf.convert_to_tensor(label_map)
        if not (label_map.dtype.is_integer or label_map.dtype.is_bool):
            raise ValueError(
                "`label_map` must hold integers, one class id a pixel. Received: dtype="
                f"{label_map.dtype.name}"
            )
    crop = tf.constant(crop_size, tf.int32)
    draws = tf.random.stateless_uniform([4], seed)
    original = tf.shape(image)[:2]
    low, high = scale_range
    scale = low + draws[0] * (high - low)
    scaled = tf.maximum(
        tf.cast(tf.round(tf.cast(original, tf.float32) * scale), tf.int32), 1
    )
    mirrored = tf.logical_and(flip, draws[1] < 0.5)

    # The part of the scaled image that is in the crop; the rest is padding.
    size = tf.minimum(scaled, crop)
    room = tf.cast(scaled - size + 1, tf.float32)
    corner = tf.minimum(tf.cast(draws[2:] * room, tf.int32), scaled - size)
    # Cropping the mirrored image is mirroring the crop at the mirrored place.
    left = tf.where(mirrored, scaled[1] - size[1] - corner[1], corner[1])
    corner = tf.stack([corner[0], left])
    padding = crop - size

    def padded(pixels, value):
        # `tf.where` on the whole crop costs as much as the scaling.
        return tf.ensure_shape(
            tf.cond(
                tf.reduce_any(padding > 0),
                lambda: _pad(pixels, padding, tf.cast(value, pixels.dtype)),
                lambda: pixels,
            ),
            (*crop_size, len(value)),
        )

    image = _part_of_scaled(image, scaled, corner, size)
    image = tf.cond(mirrored, lambda: tf.reverse(image, [1]), lambda: image)
    image = padded(image, padding_color)
    if label_map is not None:
        label_map = part_of_nearest(label_map, scaled, corner, size, mirrored)
        label_map = tf.cast(label_map, tf.int32)[..., None]
        label_map = padded(label_map, [ignore_class])[..., 0]
    valid = padded(tf.ones((size[0], size[1], 1)), [0.0])[..., 0]
    return image, label_map, valid


def _part_of_scaled(image, scaled, corner, size):
    """Scale an image, antialiased, but compute only a part of the result.

    Args:
        image: `(H, W, 3)` tensor.
        scaled: int32 `(2,)`, height and width of the whole result.
        corner: int32 `(2,)`, row and column of the part.
        size: int32 `(2,)`, height and width of the part.

    Returns:
        `(height, width, 3)` float32 tensor, the part of
        `tf.image.resize(image, scaled, antialias=True)`.
    """
    import tensorflow as tf

    original = tf.cast(tf.shape(image)[:2], tf.float32)
    scale = tf.cast(scaled, tf.float32) / original
    # The pixels of the image that the kernel reaches, and one more for rounding.
    reach = tf.maximum(1.0, 1.0 / scale) + 1.5
    first, last = (tf.cast(corner + end, tf.float32) + 0.5 for end in (0, size - 1))
    start = tf.cast(tf.maximum(first / scale - reach, 0.0), tf.int32)
    stop = tf.cast(tf.minimum(last / scale + reach + 1.0, original), tf.int32)
    image = image[start[0] : stop[0], start[1] : stop[1]]
    translation = scale * tf.cast(start, tf.float32) - tf.cast(corner, tf.float32)
    # The op behind `tf.image.resize(antialias=True)`; it can also translate. It adds
    # up rows as a whole but columns pixel by pixel, which takes four times as long for
    # all of a crop as rows, transposing, and rows again.
    for axis in range(2):
        shape = tf.shape(image)
        rows = tf.raw_ops.ScaleAndTranslate(
            images=tf.reshape(image, [1, shape[0], 1, 3 * shape[1]]),
            size=[size[axis], 1],
            scale=[scale[axis], 1.0],
            translation=[translation[axis], 0.0],
            kernel_type="triangle",
            antialias=True,
        )
        image = tf.transpose(tf.reshape(rows, [size[axis], shape[1], 3]), [1, 0, 2])
    return image


def nearest(places, old, new):
    """Return which pixels are nearest to those of a resized image, along one axis.

    In whole numbers, so that TensorFlow and NumPy take the same ones.

    Args:
        places: Places in the resized image, integers: an array, or a tensor of 64 bits,
            as the products of long sides are beyond 32.
        old: Number of pixels of the axis.
        new: Number of its pixels when it is resized.

    Returns:
        Places in the image, as many.

    Example:
        >>> import numpy as np
        >>> nearest(np.arange(3), 6, 3).tolist()
        [1, 3, 5]
    """
    return (2 * places + 1) * old // (2 * new)


def part_of_nearest(label_map, scaled, corner, size, mirrored):
    """Scale a label map, nearest, but compute only a part of the result.

    Args:
        label_map: `(H, W)` integer tensor.
        scaled: Height and width of the scaled map, in pixels.
        corner: Row and column at which the part begins.
        size: Height and width of the part.
        mirrored: Boolean scalar tensor: whether left and right change places.

    Returns:
        Tensor of that size and the same dtype.
    """
    import tensorflow as tf

    original = tf.shape(label_map, tf.int64)
    corner, size, scaled = (tf.cast(x, tf.int64) for x in (corner, size, scaled))
    rows, columns = (
        nearest(corner[axis] + tf.range(size[axis]), original[axis], scaled[axis])
        for axis in range(2)
    )
    label_map = label_map[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    label_map = tf.gather(label_map, rows - rows[0])
    columns = columns - columns[0]
    columns = tf.cond(mirrored, lambda: tf.reverse(columns, [0]), lambda: columns)
    # Rows are gathered as a whole, columns would be pixel by pixel.
    return tf.transpose(tf.gather(tf.transpose(label_map), columns))


def _pad(pixels, padding, value):
    """Pad `(H, W, channels)` with a value a channel, at the bottom and the right."""
    import tensorflow as tf

    size = tf.shape(pixels)
    height, width = tf.unstack(size[:2] + padding)
    # Whole rows at a time: tiling pixels takes several times as long.
    row = tf.tile(value, [width])[None]
    right = tf.tile(row[:, : size[2] * padding[1]], [size[0], 1])
    below = tf.tile(row, [padding[0], 1])
    rows = tf.concat([tf.reshape(pixels, [size[0], -1]), right], axis=1)
    return tf.reshape(tf.concat([rows, below], axis=0), [height, width, size[2]])
