"""Replicas: what a training step must know of the other devices it runs on.

Under a `tf.distribute` strategy each replica runs the step on its part of the batch.
Under `keras.distribution` on JAX the step sees the whole batch and there is nothing to
know; neither is there on one device.
"""

import keras
import numpy as np
from keras import ops

from keras_imas.backends.host import from_host, on_host


def each_sees_its_part():
    """Tell whether a replica sees its part of a batch alone.

    So it is under `tf.distribute`; then images that belong together must lie on one
    replica, and batch statistics must be synchronized by the layer. On JAX a step sees
    the whole batch.

    Returns:
        Boolean.
    """
    return keras.backend.backend() == "tensorflow"


def replica_count():
    """Return the number of replicas that run the step.

    Returns:
        An integer; 1 outside of a `tf.distribute` strategy's step.

    Example:
        >>> replica_count()
        1
    """
    context = _replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def replica_mean(value):
    """Return the mean of a value over the replicas.

    Args:
        value: Tensor, without a gradient.

    Returns:
        Tensor of the same shape; the same on all replicas.

    Example:
        >>> float(replica_mean(ops.array(3.0)))
        3.0
    """
    context = _replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce("MEAN", value)


def clip_over_replicas(clip, gradients):
    """Clip the gradient of the whole batch, of which each replica has a summand.

    Args:
        clip: Function from a list of gradients to the clipped ones.
        gradients: List of tensors, or `None` for a variable without a gradient.

    Returns:
        List of tensors; their sum over the replicas is the clipped gradient.

    Example:
        >>> clip_over_replicas(lambda xs: [x / 2 for x in xs], [4.0])
        [2.0]
    """
    count = replica_count()
    if count == 1:
        return clip(gradients)
    import tensorflow as tf

    # An embedding's gradient has its rows alone.
    dense = [x if x is None else tf.convert_to_tensor(x) for x in gradients]
    whole = [x if x is None else count * replica_mean(x) for x in dense]
    return [x if x is None else x / count for x in clip(whole)]


def replica_concatenation(value):
    """Return what all replicas have, one after the other.

    Args:
        value: Tensor `(N, ...)`.

    Returns:
        Tensor `(N · replicas, ...)`; the same on all replicas.

    Example:
        >>> ops.shape(replica_concatenation(ops.zeros((4,))))
        (4,)
    """
    context = _replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_gather(value, axis=0)


def own_part(value):
    """Return this replica's part of what was drawn for all of the batch.

    Args:
        value: Tensor `(N, ...)` that belongs to the whole batch.

    Returns:
        The replica's `N / replicas` entries; all of them where N can't be divided.

    Example:
        >>> ops.shape(own_part(ops.zeros((4, 2))))
        (4, 2)
    """
    count = replica_count()
    if count == 1 or value.shape[0] % count:
        return value
    size = value.shape[0] // count
    start = _replica_context().replica_id_in_sync_group * size
    start = [start, *[0] * (len(value.shape) - 1)]
    return ops.slice(value, start, (size, *value.shape[1:]))


def assign_where(condition, variables, values):
    """Assign values to variables if a condition holds, on all replicas.

    Args:
        condition: Boolean scalar tensor, the same on all replicas.
        variables: List of `keras.Variable`.
        values: List of as many tensors.

    Example:
        >>> variable = keras.Variable([1.0])
        >>> assign_where(ops.array(True), [variable], [ops.array([2.0])])
        >>> variable.numpy().tolist()
        [2.0]
    """

    def assign():
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    context = _replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        ops.cond(condition, assign, lambda: None)
        return

    def assign_on_all(strategy, condition, values):
        condition = strategy.experimental_local_results(condition)[0]
        for variable, value in zip(variables, values, strict=True):
            strategy.extended.update(
                variable.value,
                lambda ours, new: ours.assign(ops.where(condition, new, ours)),
                args=(value,),
            )

    context.merge_call(assign_on_all, args=(condition, values))


def own_draws(sample, batch_size, *size):
    """Draw for the whole batch, and return this replica's part.

    So any number of replicas sees the same draws.

    Args:
        sample: Function of the number of images and `size` that returns a dict of
            tensors, one entry for each image or pairing group.
        batch_size: Number of images on this replica.
        *size: Passed on.

    Returns:
        Dict of tensors.

    Example:
        >>> draws = own_draws(lambda count: {"coin": ops.zeros((count,))}, 4)
        >>> ops.shape(draws["coin"])
        (4,)
    """
    with on_host():
        draws = sample(batch_size * replica_count(), *size)
    return {name: own_part(from_host(draw)) for name, draw in draws.items()}


def replica_values(variable):
    """Return what a variable holds on each replica, outside of a step.

    Batch statistics that are not synchronized are each replica's own, and so are the
    states of its draws and the sums of metrics.

    Args:
        variable: `keras.Variable`.

    Returns:
        NumPy array of the variable's shape; `(replicas, ...)` where they differ.

    Example:
        >>> replica_values(keras.Variable([1.0, 2.0])).tolist()
        [1.0, 2.0]
    """
    copies = [ops.convert_to_numpy(copy) for copy in _copies(variable)]
    if all(copy.tobytes() == copies[0].tobytes() for copy in copies):
        return copies[0]
    return np.stack(copies)


def assign_replica_values(variable, values):
    """Give a variable back what `replica_values` returned.

    Args:
        variable: `keras.Variable`.
        values: The array.

    Raises:
        ValueError: If it is not of this variable, or of another number of replicas.

    Example:
        >>> variable = keras.Variable([1.0, 2.0])
        >>> assign_replica_values(variable, np.array([3.0, 4.0], "float32"))
        >>> float(ops.convert_to_numpy(variable)[1])
        4.0
    """
    shape = tuple(variable.shape)
    copies = _copies(variable)
    # Each by itself: what is given to a sum over replicas as a whole is divided.
    if values.shape == shape:
        values = [values] * len(copies)
    elif values.shape != (len(copies), *shape):
        raise ValueError(
            f"{variable.path!r} has shape {shape} here, and {values.shape} there"
        )
    for copy, value in zip(copies, values, strict=True):
        copy.assign(value)


def _copies(variable):
    if keras.backend.backend() != "tensorflow":
        return [variable]
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    if strategy.num_replicas_in_sync == 1:
        return [variable]
    return strategy.experimental_local_results(variable.value)


def _replica_context():
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    return tf.distribute.get_replica_context()
