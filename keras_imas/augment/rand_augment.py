"""KerasCV's RandAugment as a strong view."""


class RandAugment:
    """Apply the color operations of KerasCV's RandAugment to one image.

    The policy is that of `keras_cv.layers.RandAugment(geometric=False)`: contrast and
    brightness, colors, automatic contrast, equalization and solarization. Its layers
    compute, and their factors have its distributions. The draws are ours, a function of
    the seed, where KerasCV draws from a state; so that a training resumes with the same
    views. The geometry stays: pixel (i, j) of the result shows what pixel (i, j) of the
    image shows.

    Args:
        num_operations: Operations per image. Defaults to 3, as in KerasCV.
        magnitude: Mean strength of an operation, in [0, 1]. Defaults to 0.5, as in
            KerasCV.
        magnitude_stddev: Standard deviation of the strength, in [0, 1]. Defaults to
            0.15, as in KerasCV.
        rate: Probability of each operation to be applied, in [0, 1]. Defaults to 10/11,
            as in KerasCV.

    Raises:
        ValueError: If a number is out of its range.

    Example:
        >>> import numpy as np
        >>> image = np.full((16, 16, 3), 100, "float32")
        >>> RandAugment()(image, seed=(0, 1)).shape
        TensorShape([16, 16, 3])
    """

    def __init__(
        self,
        num_operations: int = 3,
        magnitude: float = 0.5,
        *,
        magnitude_stddev: float = 0.15,
        rate: float = 10 / 11,
    ) -> None:
        if num_operations < 0:
            raise ValueError(
                "`num_operations` must be at least 0. "
                f"Received: num_operations={num_operations}"
            )
        for name, value in (
            ("magnitude", magnitude),
            ("magnitude_stddev", magnitude_stddev),
            ("rate", rate),
        ):
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"`{name}` must be in [0, 1]. Received: {value!r}")
        try:
            import keras_cv
        except ImportError as error:
            raise ValueError(
                "KerasCV's RandAugment needs KerasCV and TensorFlow: `pip install "
                "keras-cv tensorflow`, or take another strong view, such as "
                "--strong_view=mild"
            ) from error

        self.num_operations = num_operations
        self.magnitude = magnitude
        self.magnitude_stddev = magnitude_stddev
        self.rate = rate
        self._draws = _Draws()
        self._layers = keras_cv.layers.RandAugment.get_standard_policy(
            (0, 255), magnitude, magnitude_stddev, geometric=False
        )
        for layer in self._layers:
            layer.dtype_policy = "float32"  # Also under a policy of mixed precision.
            for name, value in list(vars(layer).items()):
                if isinstance(value, keras_cv.core.FactorSampler):
                    setattr(layer, name, self._draws.of(value))

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
        coins = tf.random.stateless_uniform([self.num_operations, 2], seed)
        for number, coin in enumerate(tf.unstack(coins)):
            drawn = tf.cast(coin[0] * len(self._layers), tf.int32)
            # One branch more, for an operation that is not applied.
            drawn = tf.where(coin[1] < self.rate, drawn, len(self._layers))
            factors = tf.random.fold_in(seed, number)
            branches = [self._branch(layer, image, factors) for layer in self._layers]
            image = tf.switch_case(drawn, [*branches, lambda image=image: image])
        return image

    def _branch(self, layer, image, seed):
        import tensorflow as tf

        def augmented():
            self._draws.start(seed)
            factors = layer.get_random_transformation_batch(1)
            view = layer.augment_images(image[None], transformations=factors)[0]
            return tf.ensure_shape(tf.clip_by_value(view, 0.0, 255.0), image.shape)

        return augmented


class _Draws:
    """Draws the factors of KerasCV's samplers from one seed, one after the other."""

    def start(self, seed):
        self.seed, self.count = seed, 0

    def of(self, sampler):
        import keras_cv
        import tensorflow as tf

        def draw(shape=(), dtype="float32"):
            self.count += 1
            seed = tf.random.fold_in(self.seed, self.count)
            if isinstance(sampler, keras_cv.core.NormalFactorSampler):
                factor = tf.random.stateless_normal(
                    shape, seed, sampler.mean, sampler.stddev, dtype
                )
                return tf.clip_by_value(factor, sampler.min_value, sampler.max_value)
            if isinstance(sampler, keras_cv.core.UniformFactorSampler):
                return tf.random.stateless_uniform(
                    shape, seed, sampler.lower, sampler.upper, dtype
                )
            return sampler(shape, dtype)  # A constant.

        return draw
