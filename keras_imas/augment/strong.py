"""The strong view: colour operations on the weak view's crop."""

import functools
from collections.abc import Mapping

import numpy as np

from keras_imas.typing import Tensor

# Parameter ranges [start, stop): the value is start + u·(stop − start), u ~ U[0, 1).
# Whole numbers are drawn as the floor. Backward ranges include their upper end.
OPERATIONS = {
    "identity": (0.0, 0.0),
    "auto_contrast": (0.0, 0.0),
    "equalize": (0.0, 0.0),
    "invert": (0.0, 0.0),
    "gaussian_blur": (0.1, 2.0),
    "contrast": (0.95, 0.1),
    "brightness": (0.95, 0.1),
    "color": (0.95, 0.1),
    "sharpness": (0.95, 0.1),
    "posterize": (4.0, 8.0),
    "solarize": (1.0, 256.0),
    "hue": (-0.5, 0.5),
}

# Without what a photograph never looks like: an inverted image blended with the image
# is gray, and solarized skies are black.
MILD = {
    name: values
    for name, values in OPERATIONS.items()
    if name not in ("invert", "solarize")
} | {"hue": (-0.25, 0.25)}

LEAST_SIGMA = 0.01
"""Of a Gaussian blur, which changes nothing by this, and divides by 0 by 0."""

GREY = (0.2989, 0.587, 0.114)
"""Shares of red, green and blue in grey, of `tf.image.rgb_to_grayscale`."""


class StrongView:
    """Applies random colour operations to one image: iMAS's strong view.

    `num_operations` of the operations, the twelve in `OPERATIONS`, are drawn uniformly
    with replacement, each with a uniform parameter in its range. The geometry stays:
    pixel (i, j) of the result shows what pixel (i, j) of the image shows.

    The operations are those of Pillow (`ImageOps`, `ImageEnhance`, `ImageFilter`) on
    float pixels. They are written in TensorFlow's operations, since KerasCV's layers
    draw from a state, compute some of them otherwise, and take two to nine times as
    long for the others.

    Args:
        num_operations: operations an image. Defaults to 2.
        operations: dict from names in `OPERATIONS` to ranges of their parameter.
            Defaults to `OPERATIONS`; `MILD` leaves out inversion and solarization and
            turns the hue half as far. A blur of more than 2 pixels needs the pipeline
            "tf.data".

    Example:
        >>> import numpy as np
        >>> image = np.full((16, 16, 3), 100, "float32")
        >>> StrongView()(image, seed=(0, 1)).shape
        TensorShape([16, 16, 3])
        >>> view = StrongView().apply(image, "brightness", 0.5)
        >>> float(view[0, 0, 0])
        50.0
    """

    def __init__(
        self,
        num_operations: int = 2,
        operations: Mapping[str, tuple[float, float]] = OPERATIONS,
    ) -> None:
        if num_operations < 0:
            raise ValueError(
                "`num_operations` must be at least 0. "
                f"Received: num_operations={num_operations}"
            )
        unknown = sorted(operations.keys() - OPERATIONS.keys())
        if unknown or not operations:
            raise ValueError(
                f"`operations` must be some of {', '.join(OPERATIONS)}. Received: "
                f"{', '.join(unknown) or 'none'}"
            )
        self.num_operations = num_operations
        self.operations = dict(operations)

    @functools.cached_property
    def _apply(self):
        import tensorflow as tf

        # Traced once, called `num_operations` times.
        return tf.function(self._switch, autograph=False)

    def draw(self, generator: np.random.Generator) -> list[tuple[str, float]]:
        """Draw the operations of an image, for `keras_imas.data.device`.

        Args:
            generator: `numpy.random.Generator`.

        Returns:
            List of `(name, parameter)`, one an operation.

        Example:
            >>> import numpy as np
            >>> [(name, _), _] = StrongView().draw(np.random.default_rng(0))
            >>> name in OPERATIONS
            True
        """
        names, drawn = list(self.operations), []
        for draw in generator.random((self.num_operations, 2), "float32"):
            name = names[int(draw[0] * np.float32(len(names)))]
            start, stop = self.operations[name]
            drawn.append((name, float(start + draw[1] * (stop - start))))
        return drawn

    def __call__(self, image, seed):
        """Return the strong view of an image.

        Args:
            image: `(H, W, 3)` tensor, 0..255.
            seed: `(2,)` integer tensor; all draws are a function of it.

        Returns:
            `(H, W, 3)` float32 tensor, 0..255.
        """
        import tensorflow as tf

        image = tf.cast(image, tf.float32)
        draws = tf.random.stateless_uniform([self.num_operations, 2], seed)
        ranges = tf.constant(list(self.operations.values()), tf.float32)
        for draw in tf.unstack(draws):
            operation = tf.cast(draw[0] * len(self.operations), tf.int32)
            start, stop = tf.unstack(ranges[operation])
            image = self._apply(image, operation, start + draw[1] * (stop - start))
        return image

    def apply(self, image: Tensor, operation: str, parameter: float = 0.0) -> Tensor:
        """Apply one operation, with no draw.

        Args:
            image: `(H, W, 3)` tensor, 0..255.
            operation: name of an operation, one of `OPERATIONS`.
            parameter: the σ of "gaussian_blur" in pixels, the bits of "posterize",
                the threshold of "solarize" in grey levels, the shift of "hue" in turns;
                for "contrast", "brightness", "color" and "sharpness" the share of the
                image in the result. The others have none.

        Returns:
            `(H, W, 3)` float32 tensor, 0..255.
        """
        import tensorflow as tf

        return getattr(self, f"_apply_{operation}")(
            tf.cast(image, tf.float32), tf.cast(parameter, tf.float32)
        )

    def _switch(self, image, operation, parameter):
        import tensorflow as tf

        def branch(name):
            return lambda: tf.ensure_shape(
                tf.clip_by_value(self.apply(image, name, parameter), 0.0, 255.0),
                image.shape,
            )

        return tf.switch_case(operation, [branch(name) for name in self.operations])

    def _apply_identity(self, image, _):
        return image

    def _apply_auto_contrast(self, image, _):
        import tensorflow as tf

        low = _of_channels(tf.reduce_min, image)
        high = _of_channels(tf.reduce_max, image)
        varied = high > low
        scale = tf.where(varied, 255.0 / (high - low), 1.0)
        offset = tf.where(varied, -low * scale, 0.0)
        rows = _rows(image)
        width = tf.shape(image)[1]
        rows = rows * tf.tile(scale, [width]) + tf.tile(offset, [width])
        return tf.reshape(rows, tf.shape(image))

    def _apply_equalize(self, image, _):
        # Not KerasCV's: its step leaves out the rarest grey level, Pillow's the
        # brightest, which differs much where the sky is saturated.
        import tensorflow as tf

        first = tf.tile(256.0 * tf.range(3.0), [tf.shape(image)[1]])
        levels = tf.cast(tf.round(_rows(image)) + first, tf.int32)
        counts = tf.math.bincount(tf.reshape(levels, [-1]), minlength=768)
        counts = tf.reshape(counts, [3, 256])
        total = tf.reduce_sum(counts, axis=1, keepdims=True)
        brightest = tf.reduce_max(
            tf.where(counts > 0, tf.range(256), 0), axis=1, keepdims=True
        )
        last = tf.gather(counts, brightest, axis=1, batch_dims=1)
        step = (total - last) // 255
        below = tf.cumsum(counts, axis=1, exclusive=True)
        table = tf.where(
            step > 0, (below + step // 2) // tf.maximum(step, 1), tf.range(256)
        )
        table = tf.reshape(tf.cast(table, tf.float32), [-1])
        # For single numbers `tf.gather_nd` is faster than `tf.gather`.
        return tf.reshape(tf.gather_nd(table, levels[..., None]), tf.shape(image))

    def _apply_invert(self, image, _):
        return 255.0 - image

    def _apply_gaussian_blur(self, image, sigma):
        # The border is replicated, as by Pillow; KerasCV pads with black.
        import tensorflow as tf

        height, width = tf.unstack(tf.shape(image)[:2])
        sigma = tf.maximum(sigma, LEAST_SIGMA)
        radius = tf.cast(tf.math.ceil(3.0 * sigma), tf.int32)
        offsets = tf.cast(tf.range(-radius, radius + 1), tf.float32)
        kernel = tf.exp(-(offsets**2) / (2.0 * sigma**2))
        kernel = kernel / tf.reduce_sum(kernel)
        left = tf.tile(image[:, :1], [1, radius, 1])
        right = tf.tile(image[:, -1:], [1, radius, 1])
        image = _convolve(
            tf.concat([left, image, right], axis=1),
            tf.tile(kernel[None, :, None], [1, 1, 3]),
        )
        # Down the columns, a row is one pixel of many channels, which is faster.
        rows = tf.reshape(image, [height, 1, 3 * width])
        above = tf.tile(rows[:1], [radius, 1, 1])
        below = tf.tile(rows[-1:], [radius, 1, 1])
        rows = _convolve(
            tf.concat([above, rows, below], axis=0),
            tf.tile(kernel[:, None, None], [1, 1, 3 * width]),
        )
        return tf.reshape(rows, [height, width, 3])

    def _apply_contrast(self, image, share):
        # KerasCV has one mean a channel, Pillow one grey.
        import tensorflow as tf

        mean = _of_channels(tf.reduce_mean, image)
        grey = tf.round(tf.reduce_sum(mean * GREY))
        return share * image + (1.0 - share) * grey

    def _apply_brightness(self, image, share):
        # KerasCV adds, Pillow multiplies.
        return share * image

    def _apply_color(self, image, share):
        import tensorflow as tf

        grey = tf.tile(tf.constant(GREY)[:, None], [1, 3])
        colors = share * tf.eye(3) + (1.0 - share) * grey
        pixels = tf.matmul(tf.reshape(image, [-1, 3]), colors)
        return tf.reshape(pixels, tf.shape(image))

    def _apply_sharpness(self, image, share):
        # The border stays as it is, as in Pillow.
        import tensorflow as tf

        smooth = tf.constant([[1.0, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13.0
        same = tf.constant([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]])
        kernel = share * same + (1.0 - share) * smooth
        inner = _convolve(image, tf.tile(kernel[..., None], [1, 1, 3]))
        inner = tf.concat([image[1:-1, :1], inner, image[1:-1, -1:]], axis=1)
        return tf.concat([image[:1], inner, image[-1:]], axis=0)

    def _apply_posterize(self, image, bits):
        # KerasCV's bits are fixed when the layer is made.
        import tensorflow as tf

        step = 2.0 ** (8.0 - tf.floor(bits))
        return tf.floor(image / step) * step

    def _apply_solarize(self, image, threshold):
        # |255 − x| = 255 − x. `tf.where` takes ten times as long.
        import tensorflow as tf

        bright = tf.cast(image >= tf.floor(threshold), tf.float32)
        return tf.abs(255.0 * bright - image)

    def _apply_hue(self, image, turn):
        import tensorflow as tf

        return tf.image.adjust_hue(image, turn)


def _rows(image):
    """Return an image as `(H, W · 3)`.

    TensorFlow computes with whole rows several times as fast as with `(3,)`, be it
    broadcast to the pixels or reduced from them.
    """
    import tensorflow as tf

    return tf.reshape(image, [tf.shape(image)[0], -1])


def _of_channels(reduce, image):
    """Reduce an image to `(3,)`."""
    import tensorflow as tf

    return reduce(tf.reshape(reduce(_rows(image), axis=0), [-1, 3]), axis=0)


def _convolve(image, kernel):
    """Filter each channel with its kernel, where the kernel fits in."""
    import tensorflow as tf

    return tf.nn.depthwise_conv2d(
        image[None], kernel[..., None], strides=[1, 1, 1, 1], padding="VALID"
    )[0]
