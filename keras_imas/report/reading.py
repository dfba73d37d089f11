"""Read some images of a data set."""

import keras

from keras_imas.callbacks.hardness_log import names_of


def names_to_positions(examples):
    """Return where each image is among the examples.

    Args:
        examples: `keras_imas.data.Examples`.

    Returns:
        Dict from the name by which hardness is logged to the index.
    """
    return {name: index for index, name in enumerate(names_of(examples))}


def read_some(examples, indices, title, verbose):
    """Read some images, with a progress bar.

    Args:
        examples: `keras_imas.data.Examples`.
        indices: Which of them.
        title: What to print above the bar.
        verbose: 1 or `"auto"` for a progress bar.

    Yields:
        `(index, example)` in the order of the examples, as `Examples.pick` does.
    """
    bar = None
    if verbose in (1, "auto"):
        print(title, flush=True)
        bar = keras.utils.Progbar(len(set(indices)), unit_name="image")
    for index, example in examples.pick(indices):
        yield int(index), example
        if bar:
            bar.add(1)
