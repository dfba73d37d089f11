"""Preflight: reads a data set before training and tells all that is wrong with it."""

import dataclasses
import hashlib
import itertools
import re
from collections import Counter

import keras
import numpy as np

from keras_imas.data.as_examples import as_examples
from keras_imas.data.classes import unlisted_color
from keras_imas.data.problems import Problem, report
from keras_imas.data.splits import in_both

# Of the images as many of each part as cost seconds: what training checks at its start.
SOME_IMAGES = 50
_MAX_NAMED = 5  # files, ids or sizes in one message
_HELD_OUT = ("validation", "select_on")


@dataclasses.dataclass
class Part:
    """What was read of one part of a data set.

    Attributes:
        images: number of images.
        read: number of images decoded; the others were not asked for.
        sizes: `Counter` of `(height, width)` of the images decoded.
        pixels: `Counter` of pixels by class id; empty if there are no label maps.
        images_with: `Counter` of images by class id.
        unread: names of what cannot be read.
    """

    images: int
    read: int = 0
    sizes: Counter = dataclasses.field(default_factory=Counter)
    pixels: Counter = dataclasses.field(default_factory=Counter)
    images_with: Counter = dataclasses.field(default_factory=Counter)
    unread: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Report:
    """What a check found.

    Attributes:
        parts: dict of `Part` by name.
        problems: list of `keras_imas.data.problems.Problem`.
    """

    parts: dict
    problems: list

    @property
    def errors(self):
        """Messages of the problems that must be solved."""
        return [p.message for p in self.problems if p.severity == "error"]

    @property
    def warnings(self):
        """Messages of the problems that may be meant so."""
        return [p.message for p in self.problems if p.severity == "warning"]

    def raise_errors(self):
        """Raises what must be solved; the message names up to ten.

        Raises:
            ValueError: if there is an error.
        """
        report(ValueError, "Bad examples", self.errors)


def check(
    parts,
    num_classes=None,
    ignore_class=255,
    *,
    class_names=None,
    images=None,
    verbose=0,
):
    """Reads a data set and tells all that is wrong with it.

    Errors: what can't be decoded; class ids out of range, or colors that are not
    listed; label maps of another size than their image; images that are in two parts,
    by name or by what they show. Warnings: an image that is twice in one part, classes
    that no labeled image shows, label maps with nothing but ignored pixels.

    Args:
        parts: dict of `Examples`, or of what `as_examples` takes, by the name of the
            part: "labeled", "unlabeled", "validation", "select_on".
        num_classes: number of classes, or None: any id is right.
        ignore_class: the id that is allowed besides. Defaults to 255.
        class_names: names of the classes, for messages. Defaults to their ids.
        images: number of images a part to decode, evenly spread; label maps are all
            decoded. Defaults to None: all.
        verbose: 1 for a progress bar. Defaults to 0.

    Returns:
        `Report`.

    Example:
        >>> images, label_maps = np.zeros((2, 8, 8, 3)), np.full((2, 8, 8), 7)
        >>> report = check({"labeled": (images, label_maps)}, num_classes=3)
        >>> report.errors[0]
        '`#0` of labeled: its label map contains 7; allowed are 0 to 2 (num_classes=3)
        and ignore_class=255'
        >>> report.warnings[0]
        'labeled: `#1` shows the same as `#0`'
    """
    parts = {name: as_examples(part) for name, part in parts.items()}
    problems, found, contents = [], {}, {}
    bar = None
    if verbose:
        counts = [_count_read(part, images) for part in parts.values()]
        bar = keras.utils.Progbar(sum(counts), unit_name="image")
    for name, examples in parts.items():
        part = found[name] = Part(len(examples))
        contents[name] = {}
        for example in _read(examples, images):
            if isinstance(example, str):
                part.unread.append(example)
                problems.append(Problem(f"{name}: {example}"))
            else:
                problems += _add(
                    example,
                    examples,
                    name,
                    part,
                    contents[name],
                    (num_classes, ignore_class),
                )
            if bar is not None:
                bar.add(1)
        if 0 < len(examples) == len(part.unread):
            problems.append(Problem(f"{name}: none of its images can be read"))
        if part.pixels and not any(i != ignore_class for i in part.pixels):
            problems.append(Problem(f"{name}: no pixel has a label", "warning"))
    for one, other in itertools.combinations(parts, 2):
        problems += _overlap(parts, contents, one, other)
    if num_classes is not None and "labeled" in found and found["labeled"].images:
        problems += _absent(found, num_classes, class_names)
    return Report(found, problems)


def check_labels(examples, num_classes, ignore_class=255):
    """Reads every label map once and checks it.

    Args:
        examples: labeled `Examples`, or what `as_examples` takes.
        num_classes: number of classes; ids are 0..num_classes − 1.
        ignore_class: the id that is allowed besides. Defaults to 255.

    Raises:
        ValueError: if a file can't be decoded, if a label map has another size than
            its image, or if it contains another id. The message names up to ten.

    Example:
        >>> images, label_maps = np.zeros((2, 8, 8, 3)), np.full((2, 8, 8), 255)
        >>> check_labels((images, label_maps), num_classes=19)
    """
    examples = as_examples(examples)
    if not examples.labeled:
        raise ValueError("`examples` has no label maps to check.")
    check({"examples": examples}, num_classes, ignore_class).raise_errors()


def _count_read(examples, images):
    """Returns how many examples `_read` yields."""
    return len(examples) if _all_read(examples) else _count_decoded(examples, images)


def _count_decoded(examples, images):
    return len(examples) if images is None else min(images, len(examples))


def _all_read(examples):
    return examples.labeled or not examples.random_access


def _read(examples, images):
    """Yields what is known of each example: a dict of NumPy values, or an error."""
    import tensorflow as tf

    count = _count_decoded(examples, images)
    # Evenly spread: every example i for which i·count/size passes a whole number.
    decoded = (np.arange(1, len(examples) + 1) * count) // len(examples)
    decoded = tf.constant(np.diff(decoded, prepend=0) > 0)

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
    iterator = records.map(facts, tf.data.AUTOTUNE).as_numpy_iterator()
    while True:
        try:
            yield next(iterator)
        except StopIteration:
            return
        except tf.errors.InvalidArgumentError as error:
            yield _message(error)


def _message(error):
    """Returns what `require` or TensorFlow says is wrong."""
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


def _add(example, examples, name, part, contents, allowed):
    """Adds what was read of one example to its part; yields what is wrong with it."""
    this = example["name"].decode()
    if example["problem"]:
        part.unread.append(this)
        skipped = examples.on_bad_image == "skip"
        message = f"{name}: {example['problem'].decode()}"
        yield Problem(message, "warning" if skipped else "error")
        return
    size, label_size = example["size"].tolist(), example["label_size"].tolist()
    if example["content"]:
        part.read += 1
        part.sizes[tuple(size)] += 1
        first = contents.setdefault(example["content"], this)
        if first != this:
            yield Problem(f"{name}: `{this}` shows the same as `{first}`", "warning")
    if not examples.labeled:
        return
    where = f"`{this}` of {name}: its label map"
    if example["content"] and size != label_size:
        yield Problem(
            f"{where} is {label_size}, its image {size} (height, width); they must "
            "have one size"
        )
    ids, counts = example["ids"], example["counts"]
    part.pixels.update(dict(zip(ids.tolist(), counts.tolist(), strict=True)))
    part.images_with.update(ids.tolist())
    if examples.files is not None and (ids < 0).any():
        unlisted = [str(unlisted_color(i)) for i in ids[ids < 0].tolist()]
        yield Problem(
            f"{where} has {_few(unlisted, 'colors')}, which the table of classes does "
            "not list"
        )
        ids = ids[ids >= 0]
    num_classes, ignore_class = allowed
    if num_classes is not None:
        wrong = ids[((ids < 0) | (ids >= num_classes)) & (ids != ignore_class)]
        if len(wrong):
            yield Problem(
                f"{where} contains {_few(wrong.astype(str), 'ids')}; allowed are 0 to "
                f"{num_classes - 1} (num_classes={num_classes}) and "
                f"ignore_class={ignore_class}"
            )
    if len(ids) == 1 and ids[0] == ignore_class:
        yield Problem(f"{where} has no class, only {ignore_class} (ignore)", "warning")


def _overlap(parts, contents, one, other):
    """Yields what two parts have in common."""
    shared = in_both(parts[one], parts[other])
    for image in sorted(shared):
        yield Problem(f"`{image}` is both in {one} and in {other}")
    said = set(shared.values())
    for content in contents[one].keys() & contents[other].keys():
        first, second = contents[one][content], contents[other][content]
        if second not in said:
            message = f"`{second}` of {other} shows the same as `{first}` of {one}"
            if {one, other} & set(_HELD_OUT):
                yield Problem(f"{message}: what is held out would leak")
            else:
                yield Problem(message, "warning")


def _absent(found, num_classes, class_names):
    """Yields the classes that no labeled image shows."""
    names = class_names or [str(i) for i in range(num_classes)]
    for class_id, name in enumerate(names):
        if not found["labeled"].pixels[class_id]:
            where = [
                part
                for part in found
                if found[part].pixels[class_id] and part != "labeled"
            ]
            also = f"; {' and '.join(where)} show it" if where else ""
            yield Problem(
                f"labeled: no image shows class {class_id} ({name}){also}", "warning"
            )


def _few(values, what):
    shown = ", ".join(values[:_MAX_NAMED])
    rest = len(values) - _MAX_NAMED
    return f"{shown} and {rest} more {what}" if rest > 0 else shown
