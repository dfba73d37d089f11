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
    """Scales, flips and crops one image, and its label map alike.

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
            the mean colour of ImageNet.
        ignore_class: id of padding in the label map. Defaults to 255.
        seed: `(2,)` integer tensor.

    Returns:
        `(image, label_map, valid)`: `(h, w, 3)` float32, `(h, w)` int32 (None if
        none was given), and `(h, w)` float32 with 1 for the image and 0 for padding.

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

    crop = tf.constant(crop_size, tf.int32)
    draws = tf.random.stateless_uniform([4], seed)
    original = tf.shape(image)[:2]
    low, high = scale_range
    scale = low + draws[0] * (high - low)
    scaled = tf.maximum(
        tf.cast(tf.round(tf.cast(original, tf.float32) * scale), tf.int32), 1
    )
    mirrored = tf.logical_and(flip, draws[1] < 0.5)

    room = tf.cast(tf.maximum(scaled - crop, 0) + 1, tf.float32)
    corner = tf.minimum(
        tf.cast(draws[2:] * room, tf.int32), tf.cast(room, tf.int32) - 1
    )
    # Cropping the mirrored image is mirroring the crop at the mirrored place.
    left = tf.where(mirrored, scaled[1] - crop[1] - corner[1], corner[1])
    corner = tf.stack([corner[0], left])

    def mirror(pixels):
        return tf.cond(mirrored, lambda: tf.reverse(pixels, [1]), lambda: pixels)

    rows, columns = (corner[axis] + tf.range(crop_size[axis]) for axis in (0, 1))
    inside = tf.logical_and(
        tf.logical_and(rows >= 0, rows < scaled[0])[:, None],
        tf.logical_and(columns >= 0, columns < scaled[1])[None, :],
    )
    # The op behind `tf.image.resize(antialias=True)`; it can also translate, which
    # gives the crop of the scaled image without the scaled image.
    image = tf.raw_ops.ScaleAndTranslate(
        images=image[None],
        size=crop,
        scale=tf.cast(scaled, tf.float32) / tf.cast(original, tf.float32),
        translation=-tf.cast(corner, tf.float32),
        kernel_type="triangle",
        antialias=True,
    )[0]
    image = tf.where(inside[..., None], image, tf.cast(padding_color, tf.float32))
    if label_map is not None:
        nearest = [
            tf.clip_by_value(
                ((2 * positions + 1) * original[axis]) // (2 * scaled[axis]),
                0,
                original[axis] - 1,
            )
            for axis, positions in enumerate((rows, columns))
        ]
        label_map = tf.gather(tf.gather(label_map, nearest[0]), nearest[1], axis=1)
        label_map = mirror(tf.where(inside, tf.cast(label_map, tf.int32), ignore_class))
    return mirror(image), label_map, mirror(tf.cast(inside, tf.float32))
