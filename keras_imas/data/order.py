"""The order of a `tf.data.Dataset`, by which its images are told apart."""

import numpy as np

_WHY = (
    "Images are told apart by their places, and the pipelines shuffle by themselves, "
    "by `seed`: pass the dataset in the same order every time"
)


def check_order(dataset):
    """Refuse a dataset that shuffles by itself.

    Args:
        dataset: `tf.data.Dataset`.

    Raises:
        ValueError: if a `shuffle` in it draws a new order for each iteration, or in
            each process.
    """
    # TensorFlow has no public way to ask what a dataset is made of.
    for inner in getattr(dataset, "_inputs", tuple)():
        check_order(inner)
    reshuffles = getattr(dataset, "_reshuffle_each_iteration", False)
    # A function of the seed alone is the same order everywhere.
    unseeded = "Shuffle" in type(dataset).__name__ and not any(
        int(np.asarray(getattr(dataset, name, 1))) for name in ("_seed", "_seed2")
    )
    if reshuffles or unseeded:
        raise ValueError(f"The dataset shuffles by itself. {_WHY}: remove `.shuffle()`")


def same_name(names, index, name):
    """Require that a name is where it was in the iteration before.

    Args:
        names: dict from index to name, which grows.
        index: integer tensor.
        name: string tensor.

    Returns:
        The name. Another one than before raises `tf.errors.InvalidArgumentError`.
    """
    import tensorflow as tf

    @tf.autograph.experimental.do_not_convert
    def look(index, name):
        before = names.setdefault(int(index), name)
        if before != name:
            raise ValueError(
                f"The dataset had `{before.decode()}` at place {index} before, and now "
                f"`{name.decode()}`: it shuffles by itself. {_WHY}"
            )
        return name

    return tf.numpy_function(look, [index, name], tf.string)
