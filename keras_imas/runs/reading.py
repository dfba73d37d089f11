"""How images and masks in files are read, by flags that all programs share."""

import dataclasses
import functools
import os
import sys

from absl import flags

from keras_imas.batch_checks import check_num_classes
from keras_imas.data.classes import ClassTable, read_class_table
from keras_imas.data.files import MAX_PIXELS
from keras_imas.data.folder import from_folder
from keras_imas.data.pixels import checked_range
from keras_imas.runs import run_directory
from keras_imas.runs.flags import Flagged, as_field, field, flag_text

# Any of these says what the classes are, so that the others of a run don't count.
_CLASSES = ("classes", "class_names", "num_classes")


@dataclasses.dataclass(frozen=True)
class FileReading(Flagged):
    """Which files may be read, and what happens where one can't be."""

    on_bad_image: str = field(
        "error",
        "If a file can't be decoded: error stops and names it; skip uses the next "
        "one, and lists the skipped files at the end.",
    )
    max_pixels: int = field(
        MAX_PIXELS,
        "Largest number of pixels of an image or mask; larger ones are refused, as "
        "they may be decompression bombs.",
    )
    follow_links: bool = field(
        False, "Follow symbolic links that lead out of the data set's folders."
    )

    def _reading(self):
        """Return what is common to the reading of all parts."""
        names = ("on_bad_image", "max_pixels", "follow_links")
        return {name: getattr(self, name) for name in names}


@dataclasses.dataclass(frozen=True)
class Reading(FileReading):
    """How folders of images and masks are read; each field is a flag."""

    mask_name: str = field("", "Pattern of mask names, such as {}_L.png.")
    num_classes: int = field(0, "Number of classes.")
    class_names: tuple = field((), "Names of the classes, separated by commas.", of=str)
    classes: str = field(
        "", "Table of the classes instead: a CSV file of name,id,r,g,b.", path=True
    )
    ignore_class: int = field(255, "Label of pixels that don't count.")
    image_size: tuple = field((), "Resize images when read: height,width.")
    image_range: tuple = field(
        (),
        "Values in image files that become black and white, such as 0,4095 for 12 bits "
        "in 16-bit files.",
        of=float,
    )
    binary_masks: bool = field(
        False, "Masks hold 0 for the background and 1 or 255 for one kind of object."
    )

    def __post_init__(self):
        check_num_classes(self.num_classes or None, self.ignore_class)
        if self.binary_masks and (self.classes or self.num_classes not in (0, 2)):
            raise ValueError("With `binary_masks` there are two classes, and no table")
        if self.classes and self.num_classes:
            raise ValueError("Only one of `num_classes` and `classes` is needed")
        if self.image_size and (len(self.image_size) != 2 or min(self.image_size) < 1):
            raise ValueError(
                "`image_size` must be height,width, such as 180,240. Received: "
                + flag_text(self.image_size)
            )

        checked_range(self.image_range or None)

    @property
    def known_number(self):
        """Number of classes that `num_classes` or `binary_masks` tells; 0: neither."""
        return 2 if self.binary_masks else self.num_classes

    @functools.cached_property
    def table(self):
        """`keras_imas.data.ClassTable`; `None` if the classes have no names."""
        if self.classes:
            return read_class_table(self.classes, self.ignore_class)
        return ClassTable(tuple(self.class_names)) if self.class_names else None

    @property
    def known_classes(self):
        """Number of classes, by the flags or the run; `None` if neither tells it."""
        return len(self.table.names) if self.table else self.known_number or None

    def read_folder(self, images, masks=None, names=None, **options):
        """List the examples in folders.

        Args:
            images: See `keras_imas.data.from_folder`.
            masks: See `keras_imas.data.from_folder`. Defaults to `None`.
            names: See `keras_imas.data.from_folder`. Defaults to `None`.
            **options: More arguments of `keras_imas.data.from_folder`.

        Returns:
            `keras_imas.data.Examples`.
        """
        return from_folder(
            images,
            masks,
            names or None,
            image_size=self.image_size or None,
            ignore_class=self.ignore_class,
            mask_name=self.mask_name or None,
            classes=self.table if self.classes else None,
            image_range=self.image_range or None,
            binary_masks=self.binary_masks,
            **options,
            **self._reading(),
        )


def reading_from_flags(model=None):
    """Return how the flags say that files are read, and where they don't, the run.

    Warn of flags that contradict the run.

    Args:
        model: Path of a network's file, with `run.json` beside it, or of the run's
            directory. Defaults to `None`: the flags alone count.

    Returns:
        `Reading`.

    Raises:
        ValueError: If a value is out of range, or the run's table of classes is not
            what it was.
    """
    names = [f.name for f in dataclasses.fields(Reading) if f.name in flags.FLAGS]
    values = {name: _value(name, flags.FLAGS[name].value) for name in names}
    if model is None:
        return Reading(**values)
    directory = model if os.path.isdir(model) else os.path.dirname(model)
    facts = run_directory.read(directory)
    run = reading_of_facts(facts) if facts else {}
    given = {name for name in names if flags.FLAGS[name].present}
    if given & {*_CLASSES} and "binary_masks" not in names:  # no mask is read
        run.pop("binary_masks", None)
    for name, value in run.items():
        if name in given and values[name] != value:
            print(
                f"Warning: --{name}={flag_text(values[name])} contradicts the run of "
                f"{str(model)!r}, which was trained with {name}={flag_text(value)}. "
                "The flag is used",
                file=sys.stderr,
            )
        elif name not in given and not (name in _CLASSES and given & {*_CLASSES}):
            values[name] = value
    reading = Reading(**values)
    trained = tuple((facts or {}).get("class_names") or ())
    chosen, reads_masks = given & {*_CLASSES}, "mask_name" in names
    if not (trained and (chosen or reads_masks) and reading.table):
        return reading
    now, then = ", ".join(reading.table.names), ", ".join(trained)
    if now != then and not chosen:
        raise ValueError(
            f"{reading.classes!r} has changed since the run: its classes are {now} "
            f"now, and were {then}. Pass --classes=TABLE with the table that fits the "
            "masks, which may be this one"
        )
    if now != then:
        print(
            f"Warning: the classes are {now} here, and in the run of {str(model)!r} "
            f"{then}",
            file=sys.stderr,
        )
    return reading


def reading_of_facts(facts):
    """Return how a run read its files, as far as it tells.

    Args:
        facts: Dict of `run.json`.

    Returns:
        Dict of fields of `Reading`.

    Example:
        >>> reading_of_facts({"settings": {"image_size": ["180", 240]}})
        {'image_size': (180, 240)}
    """
    settings = facts.get("settings") or {}
    found = {
        name: _value(name, settings[name])
        for name in ("mask_name", "image_size", "image_range", "binary_masks")
        if name in settings
    }
    for name in ("image_size", "image_range"):
        if facts.get(name):  # what the images had, however the run was started
            found[name] = _value(name, facts[name])
    if settings.get("classes"):
        # Relative to where the run was started.
        where = facts.get("working_directory") or ""
        found["classes"] = os.path.join(where, settings["classes"])
    elif facts.get("class_names"):
        found["class_names"] = tuple(facts["class_names"])
    if facts.get("ignore_class") is not None:
        found["ignore_class"] = facts["ignore_class"]
    return found


def _value(name, value):
    return as_field(Reading.__dataclass_fields__[name], value)
