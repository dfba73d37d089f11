"""The strong view: colour operations on the weak view's crop."""

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

_BLUR_RADIUS = 6  # three times the largest σ


class StrongView:
    """Applies random colour operations to one image: iMAS's strong view.

    `num_operations` of the twelve in `OPERATIONS` are drawn uniformly with
    replacement, each with a uniform parameter in its range. The geometry stays: pixel
    (i, j) of the result shows what pixel (i, j) of the image shows.

    The operations are those of Pillow (`ImageOps`, `ImageEnhance`, `ImageFilter`) on
    float pixels. KerasCV's layers compute them where their arithmetic is the same;
    their own draws are stateful and aren't used.

    Args:
        num_operations: operations an image. Defaults to 2.

    Example:
        >>> import numpy as np
        >>> image = np.full((16, 16, 3), 100, "float32")
        >>> StrongView()(image, seed=(0, 1)).shape
        TensorShape([16, 16, 3])
        >>> view = StrongView().apply(image, "brightness", 0.5)
        >>> float(view[0, 0, 0])
        50.0
    """

    def __init__(self, num_operations=2):
        import keras_cv
        import tensorflow as tf

        if num_operations < 0:
            raise ValueError(
                "`num_operations` must be at least 0. "
                f"Received: num_operations={num_operations}"
            )
        self.num_operations = num_operations
        # float32 whatever the global policy: mixed precision is for the network.
        layers = keras_cv.layers
        options = {"value_range": (0, 255), "dtype": "float32"}
        self._auto_contrast = layers.AutoContrast(**options)
        self._blur = layers.RandomGaussianBlur(
            kernel_size=2 * _BLUR_RADIUS + 1, factor=2.0, dtype="float32"
        )
        self._color = layers.RandomColorDegeneration(factor=1.0, dtype="float32")
        self._sharpness = layers.RandomSharpness(factor=1.0, **options)
        self._solarize = layers.Solarization(**options)
        self._hue = layers.RandomHue(factor=1.0, **options)
        # Traced once, called `num_operations` times.
        self._apply = tf.function(self._switch, autograph=False)

    def __call__(self, image, seed):
        """Returns the strong view of an image.

        Args:
            image: `(H, W, 3)` tensor, 0..255.
            seed: `(2,)` integer tensor; all draws are a function of it.

        Returns:
            `(H, W, 3)` float32 tensor, 0..255.
        """
        import tensorflow as tf

        image = tf.cast(image, tf.float32)
        draws = tf.random.stateless_uniform([self.num_operations, 2], seed)
        ranges = tf.constant(list(OPERATIONS.values()))
        for draw in tf.unstack(draws):
            operation = tf.cast(draw[0] * len(OPERATIONS), tf.int32)
            start, stop = tf.unstack(ranges[operation])
            image = self._apply(image, operation, start + draw[1] * (stop - start))
        return image

    def apply(self, image, operation, parameter=0.0):
        """Applies one operation, with no draw.

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

        return tf.switch_case(operation, [branch(name) for name in OPERATIONS])

    def _apply_identity(self, image, _):
        return image

    def _apply_auto_contrast(self, image, _):
        return self._auto_contrast.augment_images(image[None])[0]

    def _apply_equalize(self, image, _):
        # Not KerasCV's: its step leaves out the rarest grey level, Pillow's the
        # brightest, which differs much where the sky is saturated.
        import tensorflow as tf

        levels = tf.cast(tf.round(image), tf.int32) + 256 * tf.range(3)
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
        return tf.cast(tf.gather(tf.reshape(table, [-1]), levels), tf.float32)

    def _apply_invert(self, image, _):
        return 255.0 - image

    def _apply_gaussian_blur(self, image, sigma):
        # KerasCV pads with black; replicating the border as Pillow does keeps it.
        import tensorflow as tf

        for axis in (0, 1):
            size = tf.shape(image)[axis]
            positions = tf.range(-_BLUR_RADIUS, size + _BLUR_RADIUS)
            image = tf.gather(
                image, tf.clip_by_value(positions, 0, size - 1), axis=axis
            )
        kernel = self._blur.get_kernel(sigma, 2 * _BLUR_RADIUS + 1)
        kernels = (kernel[:, None, None, None], kernel[None, :, None, None])
        image = self._blur.augment_image(image, transformation=kernels)
        return image[_BLUR_RADIUS:-_BLUR_RADIUS, _BLUR_RADIUS:-_BLUR_RADIUS]

    def _apply_contrast(self, image, share):
        # KerasCV has one mean a channel, Pillow one grey.
        import tensorflow as tf

        grey = tf.round(tf.reduce_mean(tf.image.rgb_to_grayscale(image)))
        return share * image + (1.0 - share) * grey

    def _apply_brightness(self, image, share):
        # KerasCV adds, Pillow multiplies.
        return share * image

    def _apply_color(self, image, share):
        return self._color.augment_images(image[None], transformations=1.0 - share)[0]

    def _apply_sharpness(self, image, share):
        return self._sharpness.augment_images(image[None], transformations=1.0 - share)[
            0
        ]

    def _apply_posterize(self, image, bits):
        # KerasCV's bits are fixed when the layer is made.
        import tensorflow as tf

        step = 2.0 ** (8.0 - tf.floor(bits))
        return tf.floor(image / step) * step

    def _apply_solarize(self, image, threshold):
        import tensorflow as tf

        return self._solarize.augment_images(
            image[None],
            transformations={"thresholds": tf.floor(threshold), "additions": 0.0},
        )[0]

    def _apply_hue(self, image, turn):
        return self._hue.augment_images(image[None], transformations=turn[None])[0]
