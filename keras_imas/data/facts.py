"""What a check reads of each example."""

import hashlib
import re

import numpy as np

from keras_imas.data.pixels import read_values
from keras_imas.data.read_ahead import ahead
from keras_imas.data.untuned import untuned


def count_read(examples, images):
    """Return how many examples `read_facts` yields.

    Args:
        examples: `Examples`.
        images: number of images to decode, or None for all.

    Returns:
        Integer.
    """
    return len(examples) if _all_read(examples) else _count_decoded(examples, images)


def _count_decoded(examples, images):
    return len(examples) if images is None else min(images, len(examples))


def _all_read(examples):
    return examples.labeled or not examples.random_access


def read_facts(examples, images):
    """Yield what is known of each example.

    Args:
        examples: `Examples`.
        images: number of images to decode, evenly spread, or None for all; label maps
            are all decoded.

    Yields:
        Dict of strings and NumPy values, or a string: what is wrong.
    """
    count = _count_decoded(examples, images)
    # Evenly spread: every example i for which i·count/size passes a whole number.
    decoded = (np.arange(1, len(examples) + 1) * count) // len(examples)
    decoded = np.diff(decoded, prepend=0) > 0
    if examples.fetch is None:
        yield from _read_from_dataset(examples, decoded)
        return
    labels = ("label_map",) if examples.labeled else ()

    def facts(index):
        wanted = ("image", *labels) if decoded[index] else labels
        example = examples.fetch(index, wanted=wanted)
        facts = {**_NOTHING, "name": example["name"]}
        facts["problem"] = example.get("problem", "")
        if "image" in example:
            facts["size"] = example["image"].shape[:2]
            facts["content"] = _digest(example["image"])
            facts["values"] = _values(examples, index)
        if "label_map" in example:
            facts["label_size"] = example["label_map"].shape
            facts["ids"], facts["counts"] = _count(example["label_map"])
        return facts

    read = np.arange(len(examples))
    yield from ahead(facts, read if _all_read(examples) else read[decoded])


_NOTHING = {
    "content": "",
    "size": (0, 0),
    "label_size": (0, 0),
    "values": (),
    "ids": np.zeros(0, "int32"),
    "counts": np.zeros(0, "int64"),
}


def _values(examples, index):
    """Return the lowest and the highest value of a file of more than 8 bits."""
    if not (examples.deep and examples.deep[index]):
        return ()
    try:
        found = read_values(examples.files[index])
    except (OSError, ValueError):  # it is said as the image's problem
        return ()
    if found.dtype == "uint8":  # the higher bytes, which tell nothing of the values
        return ()
    return float(found.min()), float(found.max())


def _read_from_dataset(examples, decoded):
    """Yield the facts of what TensorFlow alone can read."""
    import tensorflow as tf

    decoded = tf.constant(decoded)

    def facts(index, *record):
        def load(wanted):
            example = examples.load(*record, wanted=wanted)
            facts = {
                "name": example["name"],
                "problem": example.get("problem", tf.constant("")),
                "content": tf.constant(b""),
                "size": tf.zeros([2], tf.int32),
                "label_size": tf.zeros([2], tf.int32),
                "ids": tf.zeros([0], tf.int32),
                "counts": tf.zeros([0], tf.int64),
            }
            if "image" in example:
                image = example["image"]
                facts["size"] = tf.shape(image)[:2]
                facts["content"] = tf.numpy_function(_digest, [image], tf.string)
            if "label_map" in example:
                label_map = example["label_map"]
                facts["label_size"] = tf.shape(label_map)
                facts["ids"], facts["counts"] = tf.numpy_function(
                    _count, [label_map], (tf.int32, tf.int64)
                )
            return facts

        labels = ("label_map",) if examples.labeled else ()
        return tf.cond(
            decoded[index],
            lambda: load(("image", *labels)),
            lambda: load(labels),
        )

    records = examples.records.enumerate().map(
        lambda index, record: (
            (index, *record) if isinstance(record, tuple) else (index, record)
        )
    )
    if not _all_read(examples):
        records = records.filter(lambda index, *_: decoded[index])
    iterator = untuned(records.map(facts, tf.data.AUTOTUNE)).as_numpy_iterator()
    while True:
        try:
            facts = next(iterator)
            for key in ("name", "problem", "content"):
                facts[key] = facts[key].decode()
            yield {**_NOTHING, **facts}
        except StopIteration:
            return
        except tf.errors.InvalidArgumentError as error:
            yield _message(error)


def _message(error):
    """Return what `require` or TensorFlow says is wrong."""
    match = re.search(r"assertion failed: \[(.*)\]", error.message)
    if match is None:
        return error.message
    # TensorFlow escapes what isn't ASCII; names may hold it.
    return match[1].encode().decode("unicode_escape").encode("latin1").decode()


def _digest(image):
    return hashlib.blake2b(np.ascontiguousarray(image), digest_size=16).hexdigest()


def _count(label_map):
    ids, counts = np.unique(label_map, return_counts=True)
    return ids.astype("int32"), counts.astype("int64")
