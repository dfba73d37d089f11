"""Color jitter: a strong view without inverted colors."""


class ColorJitter:
    """Jitters the colors of one image, and now and then drops or blurs them.

    Brightness, contrast, saturation and hue by torchvision's `ColorJitter`, then
    `RandomGrayscale`, then a Gaussian blur: the strong view of UniMatch (Yang et al.,
    CVPR 2023). The geometry stays: pixel (i, j) of the result shows what pixel (i, j)
    of the image shows.

    Args:
        brightness: largest change of the factor of brightness. Defaults to 0.5.
        contrast: the same of contrast. Defaults to 0.5.
        saturation: the same of saturation. Defaults to 0.5.
        hue: largest shift of the hue, in turns. Defaults to 0.25.
        probability: share of images that are jittered. Defaults to 0.8.
        gray: share of images that become gray. Defaults to 0.2.
        blur: share of images that are blurred, by a σ of 0.1 to 2 pixels. Defaults to
            0.5.

    Raises:
        ValueError: If a number is out of its range.

    Example:
        >>> import numpy as np
        >>> image = np.full((16, 16, 3), 100, "float32")
        >>> ColorJitter()(image, seed=(0, 1)).shape
        TensorShape([16, 16, 3])
    """

    def __init__(
        self,
        brightness: float = 0.5,
        contrast: float = 0.5,
        saturation: float = 0.5,
        hue: float = 0.25,
        *,
        probability: float = 0.8,
        gray: float = 0.2,
        blur: float = 0.5,
    ) -> None:
        for name, value, most in (
            ("brightness", brightness, 1.0),
            ("contrast", contrast, 1.0),
            ("saturation", saturation, 1.0),
            ("hue", hue, 0.5),
            ("probability", probability, 1.0),
            ("gray", gray, 1.0),
            ("blur", blur, 1.0),
        ):
            if not 0.0 <= value <= most:
                raise ValueError(
                    f"`{name}` must be in [0, {most:g}]. Received: {name}={value!r}"
                )
        from keras_imas.augment.strong import StrongView

        self.factors = {
            "brightness": brightness,
            "contrast": contrast,
            "color": saturation,
        }
        self.hue = hue
        self.probability = probability
        self.gray = gray
        self.blur = blur
        self._apply = StrongView().apply

    def draw(self, generator):
        """Draw the operations of an image, for `keras_imas.data.device`.

        Args:
            generator: `numpy.random.Generator`.

        Returns:
            List of `(name, parameter)`, six of them; what the coins leave out is
            "identity".

        Example:
            >>> import numpy as np
            >>> len(ColorJitter().draw(np.random.default_rng(0)))
            6
        """
        coins = generator.random(3, "float32")
        draws = 2.0 * generator.random(5, "float32") - 1.0
        jittered = [
            (operation, 1.0 + most * float(draw))
            for (operation, most), draw in zip(
                self.factors.items(), draws[:3], strict=True
            )
        ]
        jittered.append(("hue", self.hue * float(draws[3])))
        nothing = ("identity", 0.0)
        gray, blur = ("color", 0.0), ("gaussian_blur", 0.1 + 0.95 * float(draws[4] + 1))
        return [
            *(jittered if coins[0] < self.probability else [nothing] * 4),
            gray if coins[1] < self.gray else nothing,
            blur if coins[2] < self.blur else nothing,
        ]

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
        size = image.shape
        coins = tf.random.stateless_uniform([3], tf.random.split(seed)[0])
        draws = tf.random.stateless_uniform([5], tf.random.split(seed)[1], -1.0, 1.0)

        def jittered():
            view = image
            for (operation, most), draw in zip(
                self.factors.items(), tf.unstack(draws[:3]), strict=True
            ):
                view = self._clipped(view, operation, 1.0 + most * draw)
            return self._clipped(view, "hue", self.hue * draws[3])

        image = tf.cond(coins[0] < self.probability, jittered, lambda: image)
        image = tf.cond(
            coins[1] < self.gray,
            lambda: self._clipped(image, "color", 0.0),
            lambda: image,
        )
        sigma = 0.1 + 0.95 * (draws[4] + 1.0)
        image = tf.cond(
            coins[2] < self.blur,
            lambda: self._clipped(image, "gaussian_blur", sigma),
            lambda: image,
        )
        return tf.ensure_shape(image, size)

    def _clipped(self, image, operation, parameter):
        import tensorflow as tf

        return tf.clip_by_value(self._apply(image, operation, parameter), 0.0, 255.0)
