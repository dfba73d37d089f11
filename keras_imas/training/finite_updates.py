"""Skip updates that are NaN or infinite."""

import contextlib

import keras
from keras import ops

from keras_imas.backends.formulations import faster
from keras_imas.backends.replicas import assign_where, replica_mean
from keras_imas.training.health import all_finite


def look_at_all_replicas(optimizer):
    """Let an optimizer that scales the loss skip a step that overflows on any replica.

    Keras looks at the gradients of the first replica, before they are added up.

    Args:
        optimizer: `keras.optimizers.LossScaleOptimizer`.

    Example:
        >>> optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
        >>> look_at_all_replicas(optimizer)
        >>> bool(optimizer.check_finite([ops.array([1.0, float("inf")])]))
        False
    """

    def check_finite(grads):
        finite = type(optimizer).check_finite(optimizer, grads)
        return replica_mean(ops.cast(finite, "float32")) >= 1.0

    # Past Keras' own book-keeping of attributes.
    vars(optimizer)["check_finite"] = check_finite


class FiniteUpdates(keras.optimizers.LossScaleOptimizer):
    """An optimizer that changes nothing where a gradient or an update is not finite.

    The gradient is looked at as by Keras' `LossScaleOptimizer`, on replicas too. The
    update may be NaN or infinite though the gradient is finite, by its learning rate.
    This optimizer has no scale and no variables of its own, so that it can stand in for
    its inner optimizer while a step runs.

    Args:
        inner_optimizer: Optimizer that makes the updates.
        **kwargs: See `keras.optimizers.LossScaleOptimizer`.

    Example:
        >>> optimizer = FiniteUpdates(keras.optimizers.Adam(0.125))
        >>> float(optimizer.learning_rate)
        0.125
    """

    def __init__(self, inner_optimizer, **kwargs):
        factor = inner_optimizer.loss_scale_factor
        super().__init__(inner_optimizer, **{**kwargs, "initial_scale": 1.0})
        # Keras has taken it away; by it the inner optimizer scales and unscales.
        inner_optimizer.loss_scale_factor = factor
        self.built = True

    def build(self, variables):
        """Make the inner optimizer's variables.

        Args:
            variables: The variables to train.
        """
        if not self.inner_optimizer.built:
            self.inner_optimizer.build(variables)

    def stateless_apply(self, optimizer_variables, grads, trainable_variables):
        """Return the updated variables, as `keras.optimizers.Optimizer` does.

        Args:
            optimizer_variables: Values of the optimizer's variables.
            grads: The gradients.
            trainable_variables: Values of the variables to train.
        """

        def keep():
            return list(trainable_variables), list(optimizer_variables)

        def apply():
            updated = self.inner_optimizer.stateless_apply(
                optimizer_variables, grads, trainable_variables
            )
            trained, own = map(list, updated)
            finite = all_finite([*trained, *own]) > 0.0
            return ops.cond(finite, lambda: (trained, own), keep)

        # A branch: to choose between values, XLA on CPUs would have the test of all
        # gradients in each of the choices, and take three times as long to compile.
        return ops.cond(self.check_finite(grads), apply, keep)

    def apply(self, grads, trainable_variables=None):
        """Update variables, as `keras.optimizers.Optimizer` does.

        Args:
            grads: The gradients.
            trainable_variables: The variables. Defaults to `None`: those of `build`.
        """
        trained = trainable_variables or self.inner_optimizer._trainable_variables
        variables = [*trained, *self.inner_optimizer.variables]
        if faster("snapshot"):
            # Without asking for the verdict, which would be waiting for it.
            restore = faster("snapshot")(variables)
            self.inner_optimizer.apply(grads, trainable_variables)
            present = [gradient for gradient in grads if gradient is not None]
            restore(all_finite([*present, *variables]) < 1.0)
            return
        before = [ops.copy(variable) for variable in variables]
        super().apply(grads, trainable_variables)
        assign_where(all_finite(variables) < 1.0, variables, before)

    def check_finite(self, grads):
        """Tell whether there is no NaN and no infinity, see `all_finite`.

        Args:
            grads: The gradients; `None` for a variable without one.

        Returns:
            Boolean scalar tensor.
        """
        return all_finite([grad for grad in grads if grad is not None]) > 0.0

    @contextlib.contextmanager
    def stand_in(self, model):
        """Be a model's optimizer, in a context; outside of it the inner one is.

        Args:
            model: `keras.Model` whose optimizer is the inner one.

        Example:
            >>> model = keras.Sequential()
            >>> model.compile(keras.optimizers.Adam())
            >>> updates = FiniteUpdates(model.optimizer)
            >>> with updates.stand_in(model):
            ...     model.optimizer is updates
            True
            >>> type(model.optimizer).__name__
            'Adam'
        """
        # Past Keras' own book-keeping of attributes.
        vars(model)["optimizer"] = self
        try:
            yield
        finally:
            vars(model)["optimizer"] = self.inner_optimizer

    @property
    def variables(self):
        """The inner optimizer's variables."""
        return self.inner_optimizer.variables

    def scale_loss(self, loss):
        """Scale the loss as the inner optimizer does.

        Args:
            loss: The loss.
        """
        return self.inner_optimizer.scale_loss(loss)

    def _stateful_handle_finite_grads(self, grads, trainable_variables):
        self.inner_optimizer.apply(grads, trainable_variables=trainable_variables)

    def _stateful_handle_non_finite_grads(self):
        pass
