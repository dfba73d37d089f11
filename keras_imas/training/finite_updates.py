"""An optimizer that skips updates whose gradient is NaN or infinite."""

import keras
from keras import ops

from keras_imas.training.health import all_finite


class FiniteUpdates(keras.optimizers.LossScaleOptimizer):
    """An optimizer that leaves everything as it is where a gradient is not finite.

    Keras' `LossScaleOptimizer` does that, on replicas too; this one does not scale.

    Args:
        inner_optimizer: Optimizer to which finite gradients go.
        **kwargs: See `keras.optimizers.LossScaleOptimizer`.

    Example:
        >>> optimizer = FiniteUpdates(keras.optimizers.Adam(0.125))
        >>> float(optimizer.learning_rate)
        0.125
    """

    def __init__(self, inner_optimizer, **kwargs):
        super().__init__(inner_optimizer, **{**kwargs, "initial_scale": 1.0})

    def stateless_apply(self, optimizer_variables, grads, trainable_variables):
        """Return the updated variables, as `keras.optimizers.Optimizer` does.

        Args:
            optimizer_variables: Values of the optimizer's variables.
            grads: The gradients.
            trainable_variables: Values of the variables to train.
        """
        inner = self.inner_optimizer
        own_count = len(optimizer_variables) - len(inner.variables)
        own, old = optimizer_variables[:own_count], optimizer_variables[own_count:]

        def apply():
            trained, new = inner.stateless_apply(old, grads, trainable_variables)
            return list(trained), list(new)

        def keep():
            return list(trainable_variables), list(old)

        # A branch: to choose between values, XLA on CPUs would have the test of all
        # gradients in each of the choices, and take three times as long to compile.
        trained, new = ops.cond(self.check_finite(grads), apply, keep)
        return trained, [*own, *new]

    def check_finite(self, grads):
        """Tell whether there is no NaN and no infinity, see `all_finite`.

        Args:
            grads: The gradients; `None` for a variable without one.

        Returns:
            Boolean scalar tensor.
        """
        return all_finite([grad for grad in grads if grad is not None]) > 0.0

    def scale_loss(self, loss):
        """Return the loss as it is.

        Args:
            loss: The loss.
        """
        return loss

    # If Keras should call these otherwise one day, the scale, which nothing ever
    # raises, falls by powers of two, and results stay the same.
    def _stateful_handle_finite_grads(self, grads, trainable_variables):
        self.inner_optimizer.apply(grads, trainable_variables=trainable_variables)

    def _stateful_handle_non_finite_grads(self):
        pass
