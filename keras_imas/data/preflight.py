"""Preflight: reads a data set before training and tells all that is wrong with it."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Sequence

from keras_imas.batch_checks import check_num_classes
from keras_imas.data.as_examples import as_examples
from keras_imas.data.classes import unlisted_color
from keras_imas.data.facts import count_read, read_facts
from keras_imas.data.problems import Problem, report
from keras_imas.data.splits import in_both
from keras_imas.progress import Progress
from keras_imas.typing import Source, Verbose

# Of the images as many of each part as cost seconds: what training checks at its start.
SOME_IMAGES = 50
_MAX_NAMED = 5  # files, ids or sizes in one message
_LITTLE = 1 << 14  # of 16 bits: a quarter
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
        values: `(lowest, highest)` value in the files of more than 8 bits, or None
            where there are none.
    """

    images: int
    read: int = 0
    sizes: Counter = dataclasses.field(default_factory=Counter)
    pixels: Counter = dataclasses.field(default_factory=Counter)
    images_with: Counter = dataclasses.field(default_factory=Counter)
    unread: list = dataclasses.field(default_factory=list)
    values: tuple | None = None


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
        """Raise what must be solved; the message names up to ten.

        Raises:
            ValueError: if there is an error.
        """
        report(ValueError, "Bad examples", self.errors)


def check(
    parts: dict[str, Source],
    num_classes: int | None = None,
    ignore_class: int | None = 255,
    *,
    class_names: Sequence[str] | None = None,
    images: int | None = None,
    allow_shared: bool = False,
    verbose: Verbose = 0,
) -> "Report":
    """Read a data set and tells all that is wrong with it.

    Errors: what can't be decoded; class ids out of range, or colors that are not
    listed; label maps of another size than their image; images that are in two parts,
    by name or by what they show; a part with one class and ignored pixels alone.
    Warnings: an image that is twice in one part, classes that no labeled image shows,
    label maps with nothing but ignored pixels, images of 16 bits that use few of them.

    Args:
        parts: dict of `Examples`, or of what `as_examples` takes, by the name of the
            part: "labeled", "unlabeled", "validation", "select_on".
        num_classes: number of classes, or None: any id is right.
        ignore_class: the id that is allowed besides. Defaults to 255.
        class_names: names of the classes, for messages. Defaults to their ids.
        images: number of images a part to decode, evenly spread; label maps are all
            decoded. Defaults to None: all.
        allow_shared: whether labeled images may be among the unlabeled ones too.
            Defaults to False.
        verbose: see `keras_imas.progress.progress_style`. Defaults to 0.

    Returns:
        `Report`.

    Example:
        >>> import numpy as np
        >>> images, label_maps = np.zeros((2, 8, 8, 3)), np.full((2, 8, 8), 7)
        >>> report = check({"labeled": (images, label_maps)}, num_classes=3)
        >>> report.errors[0]
        '`#0` of labeled: its label map contains 7; allowed are 0 to 2 (num_classes=3)
        and ignore_class=255'
        >>> report.warnings[0]
        'labeled: `#1` shows the same as `#0`'
    """
    check_num_classes(num_classes, ignore_class)
    parts = {name: as_examples(part) for name, part in parts.items()}
    problems, found, contents = [], {}, {}
    count = sum(count_read(part, images) for part in parts.values())
    progress = Progress(count, "image", "Checked", verbose=verbose)
    for name, examples in parts.items():
        part = found[name] = Part(len(examples))
        contents[name] = {}
        for example in read_facts(examples, images):
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
            progress.add()
        if 0 < len(examples) == len(part.unread):
            problems.append(Problem(f"{name}: none of its images can be read"))
        problems += _too_few_classes(name, part, ignore_class)
        problems += _unused_bits(name, part, examples)
    for one, other in itertools.combinations(parts, 2):
        if allow_shared and {one, other} == {"labeled", "unlabeled"}:
            continue
        problems += _overlap(parts, contents, one, other)
    if num_classes is not None and "labeled" in found and found["labeled"].images:
        problems += _absent(found, num_classes, class_names)
    return Report(found, problems)


def _too_few_classes(name, part, ignore_class):
    """Yield what tells that label maps hold no two classes."""
    found = [class_id for class_id in part.pixels if class_id != ignore_class]
    if part.pixels and not found:
        yield Problem(f"{name}: no pixel has a label", "warning")
    # What unlabeled images have for labels is not used.
    if len(found) == 1 and part.pixels[ignore_class] and name != "unlabeled":
        yield Problem(
            f"{name}: its label maps hold class {found[0]} and {ignore_class} alone, "
            f"and {ignore_class} is ignore_class: pixels without label, so that there "
            f"is nothing to tell apart. If {ignore_class} is an object, pass "
            "binary_masks=True (--binary_masks), or a table of the classes"
        )


def _unused_bits(name, part, examples):
    """Yield what tells that images have another range than their files."""
    if part.values is None:
        return
    low, high = part.values
    wanted = examples.image_range
    told = (
        f"{name}: the images of more than 8 bits hold values from {low:g} to {high:g}"
    )
    if wanted is None and high < _LITTLE:
        best = 2 ** max(int(high).bit_length(), 8) - 1
        yield Problem(
            f"{told}, of 0 to 65535, and become nearly black. Pass the values of black "
            f"and white, such as image_range=(0, {best}) (--image_range=0,{best})",
            "warning",
        )
    if wanted is not None and (low < wanted[0] or high > wanted[1]):
        yield Problem(
            f"{told}; what is outside of image_range={wanted} becomes black or white",
            "warning",
        )


def check_labels(
    examples: Source, num_classes: int, ignore_class: int | None = 255
) -> None:
    """Read every label map once and checks it.

    Args:
        examples: labeled `Examples`, or what `as_examples` takes.
        num_classes: number of classes; ids are 0..num_classes − 1.
        ignore_class: the id that is allowed besides. Defaults to 255.

    Raises:
        ValueError: if a file can't be decoded, if a label map has another size than
            its image, or if it contains another id. The message names up to ten.

    Example:
        >>> import numpy as np
        >>> images, label_maps = np.zeros((2, 8, 8, 3)), np.full((2, 8, 8), 255)
        >>> check_labels((images, label_maps), num_classes=19)
    """
    examples = as_examples(examples)
    if not examples.labeled:
        raise ValueError("`examples` has no label maps to check.")
    check({"examples": examples}, num_classes, ignore_class).raise_errors()


def _add(example, examples, name, part, contents, allowed):
    """Add what was read of one example to its part; yields what is wrong with it."""
    this = example["name"]
    if example["problem"]:
        part.unread.append(this)
        skipped = examples.on_bad_image == "skip"
        message = f"{name}: {example['problem']}"
        yield Problem(message, "warning" if skipped else "error")
        return
    size, label_size = (list(map(int, example[k])) for k in ("size", "label_size"))
    if example["content"]:
        part.read += 1
        part.sizes[tuple(size)] += 1
        if len(example["values"]):
            known = (*(part.values or ()), *example["values"])
            part.values = min(known), max(known)
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
    if examples.by_color and (ids < 0).any():
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
    """Yield what two parts have in common."""
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
    """Yield the classes that no labeled image shows."""
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
