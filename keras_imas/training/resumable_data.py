"""Data and numbers of steps with which a training can be resumed exactly."""

import keras
import numpy as np

from keras_imas.data.order import check_order
from keras_imas.training.epoch_batches import EpochBatches


def resumable(model, options):
    """Return the arguments of `fit` so that each epoch can be resumed, or refuse them.

    Args:
        model: The model; its `seed` shuffles arrays and `PyDataset`s.
        options: Dict of the arguments of `keras.Model.fit`, without callbacks.

    Returns:
        Dict of arguments.

    Raises:
        ValueError: If a resumed training would see other batches.
    """
    options = dict(options)
    if options.pop("validation_split", 0.0):
        raise ValueError(
            "`validation_split` does not go with a `Checkpoint`: pass the images to "
            "validate on as `validation_data`"
        )
    x = options["x"]
    _refuse_generator("x", x)
    validation = options.get("validation_data")
    if validation is not None:
        images = keras.utils.unpack_x_y_sample_weight(validation)[0]
        _refuse_generator("validation_data", images)
        _drop_steps("validation_steps", options, _validation_steps(images, options))
    if getattr(x, "position", None) is None:
        options = _with_position(model, options)
    _drop_steps("steps_per_epoch", options, steps_of(options))
    return options


def steps_of(options):
    """Return the number of batches of an epoch, or `None` where the data don't tell.

    Args:
        options: Dict of the arguments of `fit`.

    Returns:
        Integer or `None`.

    Example:
        >>> steps_of({"x": {"labeled": np.zeros((5, 8, 8, 3))}, "batch_size": 2})
        3
    """
    if options.get("steps_per_epoch") is not None:
        return options["steps_per_epoch"]
    return _length(options["x"], options.get("batch_size"))


def _length(data, batch_size):
    arrays = keras.tree.flatten(data) if isinstance(data, dict) else [data]
    if all(hasattr(array, "shape") for array in arrays):
        return -(-len(arrays[0]) // (batch_size or 32))
    try:
        return len(data)
    except (TypeError, NotImplementedError):  # of unknown length, or endless
        return None


def _validation_steps(images, options):
    return _length(
        images, options.get("validation_batch_size") or options.get("batch_size")
    )


def _drop_steps(name, options, steps):
    """Leave out a number of steps that says nothing new, and refuse another one."""
    wanted = options.get(name)
    own = steps if name == "validation_steps" else _length_of_x(options)
    if wanted is None or wanted == own:
        options.pop(name, None)
        return
    has = "an unknown number of batches" if own is None else f"{own:,} batches"
    raise ValueError(
        f"`{name}={wanted}` does not go with a `Checkpoint`, as Keras reads on where "
        f"the last epoch has ended, and the data have {has}. Leave it out, or make "
        f"data of that length, such as `batches.take({wanted})`"
    )


def _length_of_x(options):
    return _length(options["x"], options.get("batch_size"))


def _refuse_generator(name, data):
    if hasattr(data, "__next__"):
        raise ValueError(
            f"`{name}` is a generator, which can't be read again from a checkpoint. "
            "Pass `keras_imas.data.semi_supervised(...)`, arrays, a "
            "`keras.utils.PyDataset` or a `tf.data.Dataset`"
        )


def _with_position(model, options):
    """Let arrays and `PyDataset`s be shuffled by the seed and the epoch."""
    x, shuffle = options["x"], options.get("shuffle", True)
    seed = getattr(model, "seed", None) or 0
    seed = seed if shuffle else None
    if isinstance(x, keras.utils.PyDataset):
        if steps_of({"x": x}) is not None:
            options |= {"x": EpochBatches(x, seed=seed), "shuffle": False}
        return options
    arrays = [a for a in (x, options.get("y"), options.get("sample_weight"))]
    while arrays and arrays[-1] is None:
        arrays.pop()
    if all(hasattr(a, "shape") for a in keras.tree.flatten(arrays)):
        arrays = keras.tree.map_structure(_as_array, tuple(arrays))
        batches = EpochBatches(arrays, options.get("batch_size") or 32, seed=seed)
        named = ("y", "sample_weight", "batch_size")
        rest = {k: v for k, v in options.items() if k not in named}
        rest |= {"x": batches, "shuffle": False}
        if options.get("validation_batch_size") is None and "batch_size" in options:
            rest["validation_batch_size"] = options["batch_size"]
        return rest
    sampler = type(getattr(x, "sampler", None)).__name__
    try:
        check_order(x)
        shuffles = sampler == "RandomSampler"
    except ValueError:
        shuffles = True
    if shuffles:
        raise ValueError(
            "`x` shuffles by itself, in an order that no checkpoint can hold. Leave "
            "out its `shuffle`, or pass `keras_imas.data.semi_supervised(...)`, arrays "
            "or a `keras.utils.PyDataset`, which are shuffled by the model's `seed`"
        )
    return options


def _as_array(value):
    return value if isinstance(value, np.ndarray) else keras.ops.convert_to_numpy(value)
