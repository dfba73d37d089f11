"""SGD as the paper has it: L2 in the gradient, before momentum."""

import re

import keras
from keras import ops

from keras_imas.backends.formulations import faster


@keras.saving.register_keras_serializable(package="keras_imas")
class SGD(keras.optimizers.SGD):
    """Add to Keras' `SGD` an L2 weight decay and learning rates by variable.

    By default it is Keras' own. `l2` is the weight decay of the published recipes: adds
    `l2 * variable` to each gradient, batch normalization and biases included. So
    momentum amplifies it by 1 / (1 − momentum); Keras' own `weight_decay` is decoupled
    from the gradient, and ten times weaker at momentum 0.9. As in Keras, the learning
    rate enters the velocity: at a constant rate this is PyTorch's SGD, under a schedule
    it differs slightly.

    Args:
        learning_rate: As in `keras.optimizers.SGD`. Defaults to `0.01`.
        momentum: As in `keras.optimizers.SGD`; the paper: 0.9. Defaults to `0.0`.
        nesterov: As in `keras.optimizers.SGD`. Defaults to `False`.
        weight_decay: As in `keras.optimizers.SGD`. Defaults to `None`.
        l2: Weight of the decay, not negative. Defaults to `0.0`.
        multipliers: Dict from patterns (regular expressions, searched in variables'
            paths) to factors of the learning rate, such as `{"decoder": 10.0}`; of
            several that match, the first counts. Defaults to `None`: all learn alike.
        **kwargs: See `keras.optimizers.SGD`: gradient clipping, accumulation, ...

    Raises:
        ValueError: If `l2` or a factor is negative; when the optimizer meets its
            variables, if a pattern matches none.

    Example:
        >>> variable = keras.Variable([1.0])
        >>> SGD(0.1, momentum=0.0, l2=0.5).apply([ops.zeros((1,))], [variable])
        >>> round(float(variable.numpy()[0]), 4)
        0.95
    """

    def __init__(
        self,
        learning_rate=0.01,
        momentum=0.0,
        nesterov=False,
        weight_decay=None,
        *,
        l2=0.0,
        multipliers=None,
        **kwargs,
    ):
        super().__init__(learning_rate, momentum, nesterov, weight_decay, **kwargs)
        if l2 < 0:
            raise ValueError(f"`l2` must not be negative. Received: l2={l2}")
        self.multipliers = dict(multipliers or {})
        for pattern, factor in self.multipliers.items():
            if factor < 0:
                raise ValueError(
                    "`multipliers` must not be negative. Received: "
                    f"multipliers={{{pattern!r}: {factor!r}}}"
                )
        self.l2 = l2

    def build(self, variables):
        """Make the optimizer's own variables.

        Args:
            variables: The variables to train.
        """
        for pattern in self.multipliers:
            if not any(re.search(pattern, variable.path) for variable in variables):
                raise ValueError(
                    "`multipliers` must match paths of variables. Received: "
                    f"{pattern!r}, and none of {len(variables)} variables, such as "
                    f"{variables[0].path!r}, matches it"
                )
        super().build(variables)
        # By index, as TensorFlow hands its own variables to `update_step`.
        self._factors = [self._factor(variable.path) for variable in variables]

    def _factor(self, path):
        for pattern, factor in self.multipliers.items():
            if re.search(pattern, path):
                return factor
        return 1.0

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable.

        Args:
            gradient: Its gradient.
            variable: The variable.
            learning_rate: The learning rate of this step.
        """
        if self.multipliers:
            factor = self._factors[self._get_variable_index(variable)]
            learning_rate = learning_rate * factor
        descend = faster("descend")
        if descend and not self.nesterov:
            velocity = None
            if self.momentum:
                velocity = self.momentums[self._get_variable_index(variable)]
            rate = ops.convert_to_tensor(learning_rate)
            descend(variable, velocity, gradient, rate, self.momentum, self.l2)
            return
        if self.l2:
            gradient = ops.cast(gradient, variable.dtype) + self.l2 * variable
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            "l2": self.l2,
            "multipliers": self.multipliers,
        }
