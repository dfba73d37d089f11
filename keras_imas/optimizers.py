"""Optimizers of the recipes, and how their learning rate goes."""

import re
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_imas.backends.formulations import faster
from keras_imas.backends.replicas import clip_over_replicas
from keras_imas.typing import Scheduled, Tensor


class _ClipsWholeBatches:
    def _clip_gradients(self, grads):
        if not (self.clipnorm or self.global_clipnorm or self.clipvalue):
            return grads
        # Keras on TensorFlow would clip what each replica found in its own part.
        return clip_over_replicas(super()._clip_gradients, grads)


@keras.saving.register_keras_serializable(package="keras_imas")
class SGD(_ClipsWholeBatches, keras.optimizers.SGD):
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
        learning_rate: Scheduled = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        *,
        l2: float = 0.0,
        multipliers: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, momentum, nesterov, weight_decay, **kwargs)
        if l2 < 0:
            raise ValueError(f"`l2` must not be negative. Received: l2={l2}")
        self.multipliers = _checked(multipliers)
        self.l2 = l2

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Make the optimizer's own variables.

        Args:
            variables: The variables to train.
        """
        self._factors = _factors(self.multipliers, variables)
        super().build(variables)

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        descend = faster("descend")
        if not descend or self.nesterov:
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        alike = {}
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            index = self._get_variable_index(variable)
            velocity = self.momentums[index] if self.momentum else None
            group = alike.setdefault(self._factors[index], [])
            group.append((variable, velocity, gradient))
        for factor, group in alike.items():
            variables, velocities, gradients = zip(*group, strict=True)
            rate = ops.convert_to_tensor(learning_rate) * factor
            descend(variables, velocities, gradients, rate, self.momentum, self.l2)

    def update_step(
        self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor
    ) -> None:
        """Update one variable.

        Args:
            gradient: Its gradient.
            variable: The variable.
            learning_rate: The learning rate of this step.
        """
        if self.multipliers:
            factor = self._factors[self._get_variable_index(variable)]
            learning_rate = learning_rate * factor
        if self.l2:
            gradient = ops.cast(gradient, variable.dtype) + self.l2 * variable
        super().update_step(gradient, variable, learning_rate)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            "l2": self.l2,
            "multipliers": self.multipliers,
        }


@keras.saving.register_keras_serializable(package="keras_imas")
class AdamW(_ClipsWholeBatches, keras.optimizers.AdamW):
    """Add to Keras' `AdamW` learning rates by variable; do not decay vectors.

    Biases and what normalization learns are left out of the weight decay: they scale
    and shift, and have no reason to be small. `decay_vectors=True` decays them too, as
    PyTorch's AdamW does. A variable decays by its own learning rate, as a parameter
    group of PyTorch: θ ← (1 − f · rate · weight_decay) · θ before each update, f its
    factor among `multipliers`.

    Args:
        learning_rate: As in `keras.optimizers.AdamW`. Defaults to `0.001`.
        weight_decay: As in `keras.optimizers.AdamW`. Defaults to `0.01`.
        multipliers: As in `SGD`. Defaults to `None`: all learn alike.
        decay_vectors: Whether vectors decay too. Defaults to `False`.
        **kwargs: See `keras.optimizers.AdamW`.

    Raises:
        ValueError: If a factor is negative; when the optimizer meets its variables, if
            a pattern matches none.

    Example:
        >>> kernel, bias = keras.Variable([[1.0]]), keras.Variable([1.0])
        >>> zeros = [ops.zeros((1, 1)), ops.zeros((1,))]
        >>> AdamW(0.1, weight_decay=0.5).apply(zeros, [kernel, bias])
        >>> round(float(kernel.numpy()[0, 0]), 4), float(bias.numpy()[0])
        (0.95, 1.0)
    """

    def __init__(
        self,
        learning_rate: Scheduled = 0.001,
        weight_decay: float = 0.01,
        *,
        multipliers: dict[str, float] | None = None,
        decay_vectors: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, weight_decay, **kwargs)
        self.multipliers = _checked(multipliers)
        self.decay_vectors = decay_vectors

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Make the optimizer's own variables.

        Args:
            variables: The variables to train.
        """
        if not self.built:
            self._factors = _factors(self.multipliers, variables)
            self._decays = [self.decay_vectors or len(v.shape) > 1 for v in variables]
            self.exclude_from_weight_decay(
                [
                    v
                    for v, decays in zip(variables, self._decays, strict=True)
                    if not decays
                ]
            )
        super().build(variables)

    def _apply_weight_decay(self, variables):
        # With multipliers `update_step` decays, which knows a variable's rate. Keras on
        # PyTorch fails where nothing decays.
        if not self.multipliers and any(self._decays):
            super()._apply_weight_decay(variables)

    def update_step(
        self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor
    ) -> None:
        """Update one variable.

        Args:
            gradient: Its gradient.
            variable: The variable.
            learning_rate: The learning rate of this step.
        """
        if self.multipliers:
            index = self._get_variable_index(variable)
            learning_rate = learning_rate * self._factors[index]
            if self.weight_decay and self._decays[index]:
                share = ops.cast(learning_rate * self.weight_decay, variable.dtype)
                self.assign_sub(variable, variable * share)
        super().update_step(gradient, variable, learning_rate)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            "multipliers": self.multipliers,
            "decay_vectors": self.decay_vectors,
        }


def _checked(multipliers):
    """Return multipliers as a dict, none of them negative."""
    multipliers = dict(multipliers or {})
    for pattern, factor in multipliers.items():
        if factor < 0:
            raise ValueError(
                "`multipliers` must not be negative. Received: "
                f"multipliers={{{pattern!r}: {factor!r}}}"
            )
    return multipliers


def _factors(multipliers, variables):
    """Return the factor of each variable, in a list.

    By index, as TensorFlow hands its own variables to `update_step`.
    """
    for pattern in multipliers:
        if not any(re.search(pattern, variable.path) for variable in variables):
            raise ValueError(
                "`multipliers` must match paths of variables. Received: "
                f"{pattern!r}, and none of {len(variables)} variables, such as "
                f"{variables[0].path!r}, matches it"
            )

    def factor_of(path):
        for pattern, factor in multipliers.items():
            if re.search(pattern, path):
                return factor
        return 1.0

    return [factor_of(variable.path) for variable in variables]


@keras.saving.register_keras_serializable(package="keras_imas")
class PolynomialDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Add to Keras' `PolynomialDecay` a warm-up, and a last step that is never NaN.

    `rate * (1 - step / steps)^power`, times `(step + 1) / warmup_steps` before that
    many steps. Keras' schedule of this name may be NaN at its last step: compiled,
    1 − step / steps comes out a little below 0 there, which has no root.

    Args:
        initial_learning_rate: The rate, before it falls.
        decay_steps: Number of steps after which it is 0.
        power: Power of the polynomial. Defaults to `0.9`.
        warmup_steps: Steps over which it grows. Defaults to `0`.

    Raises:
        ValueError: If `decay_steps` is not positive, or another number negative.

    Example:
        >>> schedule = PolynomialDecay(0.1, 10, power=1.0, warmup_steps=2)
        >>> [round(float(schedule(step)), 3) for step in (0, 1, 2, 10, 11)]
        [0.05, 0.09, 0.08, 0.0, 0.0]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        power: float = 0.9,
        warmup_steps: int = 0,
    ) -> None:
        if decay_steps < 1:
            raise ValueError(
                f"`decay_steps` must be positive. Received: decay_steps={decay_steps}"
            )
        for name, value in (
            ("initial_learning_rate", initial_learning_rate),
            ("power", power),
            ("warmup_steps", warmup_steps),
        ):
            if value < 0:
                raise ValueError(
                    f"`{name}` must not be negative. Received: {name}={value}"
                )
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.power = power
        self.warmup_steps = warmup_steps

    def __call__(self, step: int | Tensor) -> Tensor:
        """Return the learning rate of a step.

        Args:
            step: The step, from 0; an integer or an integer tensor.

        Returns:
            float32 scalar tensor.
        """
        step = ops.cast(step, "float32")
        left = ops.maximum(1.0 - step / self.decay_steps, 0.0)
        grown = ops.minimum((step + 1.0) / max(self.warmup_steps, 1), 1.0)
        return self.initial_learning_rate * grown * ops.power(left, self.power)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "power": self.power,
            "warmup_steps": self.warmup_steps,
        }
