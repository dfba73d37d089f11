"""One `train_step`, as Keras has it on TensorFlow and PyTorch, on every backend.

On JAX a step takes the values of all variables and returns new ones.
"""

import contextlib
import functools
import itertools

import keras

from keras_imas.backends.uploads import without_uploads


def on_every_backend(train_step):
    """Let a `train_step(self, data)` that assigns variables run on JAX as well.

    Args:
        train_step: Method of a `keras.Model` that returns the logs. It trains by
            `keras_step`.

    Returns:
        The method as Keras calls it: on JAX `train_step(self, state, data)`, which
        returns the logs and the new state.

    Example:
        >>> class Counting(keras.Model):
        ...     @on_every_backend
        ...     def train_step(self, data):
        ...         return keras_step(self, data)
    """

    @functools.wraps(train_step)
    def step(model, *args):
        if keras.backend.backend() != "jax":
            with without_uploads(), _once_read(args):
                return train_step(model, *args)
        state, data = args
        variables = _state_variables(model)
        values = itertools.chain(*state)
        with keras.StatelessScope(zip(variables, values, strict=True)) as scope:
            logs = train_step(model, data)
        values = map(scope.get_current_value, variables)
        return logs, tuple(list(itertools.islice(values, len(s))) for s in state)

    return step


def _once_read(batch):
    """Let what is done within wait for the batch.

    On TensorFlow the step that finds the data at their end would count itself, and
    draw, before it fails.
    """
    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    import tensorflow as tf

    return tf.control_dependencies(
        [x for x in tf.nest.flatten(batch) if tf.is_tensor(x)]
    )


def keras_step(model, data):
    """Train for a step as `keras.Model.train_step` does, within `on_every_backend`.

    Args:
        model: The `keras.Model`.
        data: The batch.

    Returns:
        The logs.
    """
    if keras.backend.backend() != "jax":
        return keras.Model.train_step(model, data)
    variables = _state_variables(model)
    sizes = [len(group) for group in _state_groups(model)]
    values = iter([variable.value for variable in variables])
    state = tuple(list(itertools.islice(values, size)) for size in sizes)
    logs, state = keras.Model.train_step(model, state, data)
    for variable, value in zip(variables, itertools.chain(*state), strict=True):
        variable.assign(value)
    return logs


def step_logs(result):
    """Return the logs of what a model's `train_function` returned.

    Args:
        result: On JAX the logs and the new state; elsewhere the logs.

    Returns:
        Dict.

    Example:
        >>> step_logs(({}, ()) if keras.backend.backend() == "jax" else {})
        {}
    """
    return result[0] if keras.backend.backend() == "jax" else result


def pass_over(arguments, batches, logs):
    """Do as a model's `train_function` does, but for the training.

    Args:
        arguments: What Keras calls it with.
        batches: Number of batches of a call.
        logs: The logs to return.

    Returns:
        What Keras makes of it: on JAX the logs and the same state; elsewhere the logs.
    """
    *state, data = arguments
    if hasattr(data, "__next__"):  # on TensorFlow the function reads by itself
        for _ in range(batches):
            next(data)
    return (logs, *state) if state else logs


def _state_groups(model):
    return (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )


def _state_variables(model):
    return list(itertools.chain(*_state_groups(model)))
