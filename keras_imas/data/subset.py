"""Some of the examples of a set."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from keras_imas.data.as_examples import as_examples
from keras_imas.data.examples import Examples
from keras_imas.typing import Source


def subset(source: Source, indices: Iterable[int]) -> Examples:
    """Return some examples of a set, in their order.

    Args:
        source: see `as_examples`.
        indices: positions of the examples, each once.

    Returns:
        `Examples`.

    Raises:
        ValueError: if a position is out of range, or there is none.

    Example:
        >>> import numpy as np
        >>> len(subset(np.zeros((5, 8, 8, 3), "uint8"), [0, 3]))
        2
    """
    examples = as_examples(source)
    chosen = sorted(set(map(int, indices)))
    if not chosen or not 0 <= chosen[0] <= chosen[-1] < len(examples):
        raise ValueError(
            f"`indices` must be in [0, {len(examples)}), and at least one. Received: "
            f"{chosen}"
        )

    def of(values):
        return values and tuple(values[index] for index in chosen)

    def load(index, *element, wanted):
        import tensorflow as tf

        index = tf.gather(tf.constant(chosen, tf.int64), index)
        return examples.load(index, *element, wanted=wanted)

    def fetch(index, wanted):
        return examples.fetch(chosen[index], wanted=wanted)

    return dataclasses.replace(
        examples,
        load=load,
        fetch=examples.fetch and fetch,
        size=len(chosen),
        dataset=None if examples.random_access else _records(examples, chosen),
        names=of(examples.names),
        files=of(examples.files),
        mask_files=of(examples.mask_files),
        size_counts={},  # which image has which is not known
        deep=of(examples.deep),
        bad={},
    )


def _records(examples, chosen):
    """Return the records at some positions, numbered anew."""
    import tensorflow as tf

    wanted = tf.constant(np.isin(np.arange(len(examples)), chosen))
    records = examples.dataset.filter(lambda index, _: wanted[index])
    return records.map(lambda _, element: element).enumerate()
