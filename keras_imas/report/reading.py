"""Read some images of a data set."""

from keras_imas.callbacks.hardness_log import names_of
from keras_imas.progress import Progress, progress_style


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
        verbose: See `keras_imas.progress.progress_style`.

    Yields:
        `(index, example)` in the order of the examples, as `Examples.pick` does.
    """
    if progress_style(verbose) == 1:
        print(title, flush=True)
    indices = set(indices)
    progress = Progress(len(indices), "image", f"{title}:", verbose=verbose)
    for index, example in examples.pick(indices):
        yield int(index), example
        progress.add()
