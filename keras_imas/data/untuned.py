"""`tf.data` without the thread that tunes it."""


def untuned(dataset):
    """Return a dataset whose parallelism, and of all made of it, is not tuned.

    The parallel calls that say `tf.data.AUTOTUNE` are then as many as cores, 16 at
    most. The thread that tunes can miss that its iterator has ended, above all on one
    core, and sleeps on: for as long as the epoch took, 60 s at most, before the next
    one begins (TensorFlow 2.21, `Model::OptimizeLoop`).

    Args:
        dataset: `tf.data.Dataset`.

    Returns:
        `tf.data.Dataset` with the same elements in the same order.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    options.deterministic = True
    return dataset.with_options(options)
