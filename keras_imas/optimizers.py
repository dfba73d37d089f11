"""SGD as the paper has it: L2 in the gradient, before momentum."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_imas")
class SGD(keras.optimizers.SGD):
    """Keras' `SGD` with the weight decay of the published recipes.

    Adds `l2 * variable` to each gradient, batch normalization and biases included. So
    momentum amplifies it by 1 / (1 − momentum); Keras' own `weight_decay` is decoupled
    from the gradient, and ten times weaker at momentum 0.9. As in Keras, the learning
    rate enters the velocity: at a constant rate this is PyTorch's SGD, under a schedule
    it differs slightly.

    Args:
        learning_rate: As in `keras.optimizers.SGD`. Defaults to `0.01`.
        momentum: As in `keras.optimizers.SGD`. Defaults to `0.9`.
        l2: Weight of the decay, not negative. Defaults to `0.0`.
        **kwargs: See `keras.optimizers.SGD`.

    Raises:
        ValueError: If `l2` is negative.

    Example:
        >>> variable = keras.Variable([1.0])
        >>> SGD(0.1, momentum=0.0, l2=0.5).apply([ops.zeros((1,))], [variable])
        >>> round(float(variable.numpy()[0]), 4)
        0.95
    """

    def __init__(self, learning_rate=0.01, momentum=0.9, *, l2=0.0, **kwargs):
        super().__init__(learning_rate, momentum=momentum, **kwargs)
        if l2 < 0:
            raise ValueError(f"`l2` must not be negative. Received: l2={l2}")
        self.l2 = l2

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable.

        Args:
            gradient: Its gradient.
            variable: The variable.
            learning_rate: The learning rate of this step.
        """
        if self.l2:
            gradient = ops.cast(gradient, variable.dtype) + self.l2 * variable
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        """Return the arguments of the constructor."""
        return {**super().get_config(), "l2": self.l2}
