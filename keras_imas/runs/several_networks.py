"""Several networks at once: files are read once for all, each predicts as its run."""

import os

from absl import flags

from keras_imas.runs import run_directory
from keras_imas.runs.flags import flag_text
from keras_imas.runs.prediction_flags import options_from_flags
from keras_imas.runs.reading import reading_from_flags


def run_of_each(files):
    """Tell whose run counts for each of several networks.

    Args:
        files: Paths of the networks' files, with `run.json` beside those of runs.

    Returns:
        Dict from each file to one whose run counts: itself, or if it is part of no run,
        the first that is; where none is, the first file.

    Example:
        >>> run_of_each(["nowhere/a.keras", "nowhere/b.keras"])
        {'nowhere/a.keras': 'nowhere/a.keras', 'nowhere/b.keras': 'nowhere/a.keras'}
    """
    of_runs = [file for file in files if _facts(file)]
    first = [*of_runs, *files][0]
    return {file: file if file in of_runs else first for file in files}


def common_reading(files, *, mask_folder=True, alone=""):
    """Return how the flags say that files are read, and where they don't, the runs.

    Files are read once for all networks, so that their runs must agree.

    Args:
        files: See `run_of_each`.
        mask_folder: Whether masks are those of `Reading.read_folder`. Defaults to
            `True`.
        alone: How to run the program on one network at a time, for the error, such as
            `"evaluate them one at a time"`. Defaults to `""`: it can't.

    Returns:
        `keras_imas.runs.reading.Reading`.

    Raises:
        ValueError: If runs differ in how they read files, or in their classes; see also
            `keras_imas.runs.reading.reading_from_flags`.
    """
    by_run = {}  # one file of each, as the reading of a run warns
    for file in run_of_each(files).values():
        by_run.setdefault(os.path.dirname(file), file)
    first, *others = by_run.values()
    reading = reading_from_flags(first)
    for other in others:
        _check_classes(first, other, alone)
        of_other = reading_from_flags(other)
        for name, *values in _settings(reading, of_other, mask_folder):
            if values[0] != values[1]:
                said = [
                    f"{file!r} with {_text(name, getattr(read, name))}"
                    for file, read in ((first, reading), (other, of_other))
                ]
                raise ValueError(
                    "The networks' runs must have read files alike, as they are read "
                    f"once for all. Received: {' and '.join(said)}. "
                    f"{_advice(alone, f'pass --{name}, which counts for all')}"
                )
    return reading


def options_of_each(files, examples=None, size_multiple=0):
    """Return how each of several networks predicts, and print where they differ.

    Args:
        files: See `run_of_each`.
        examples: See `keras_imas.runs.prediction_flags.options_from_flags`. Defaults to
            `None`.
        size_multiple: See there. Defaults to `0`.

    Returns:
        Dict from file to a dict of options of `keras_imas.inference.Predictor`.
    """
    options = {
        file: options_from_flags(run, examples, size_multiple)
        for file, run in run_of_each(files).items()
    }
    # The others change how fast it is, and not what is predicted.
    names = different_options(options) & {"window", "scales", "flip"}
    if names:
        print("The networks predict as their runs evaluated, and these differ:")
        for file, of_file in options.items():
            whole = {**of_file, "window": of_file["window"] or 0}
            said = [_text(name, whole[name]) for name in whole if name in names]
            print(f"  {file}: {', '.join(said)}")
    return options


def different_options(options):
    """Tell in which options networks differ.

    Args:
        options: Dict from a network's file or name to a dict of its options.

    Returns:
        Set of names of options.

    Example:
        >>> options = {"a": {"window": 65, "flip": True}, "b": {"window": 65}}
        >>> different_options(options)
        {'flip'}
    """
    first, *others = options.values()
    return {
        name
        for other in others
        for name in first.keys() | other.keys()
        if first.get(name) != other.get(name)
    }


def _facts(file):
    return run_directory.read(os.path.dirname(file))


def _check_classes(first, other, alone):
    """Refuse networks whose runs tell different classes."""
    known = [name for name in ("class_names", "classes") if name in flags.FLAGS]
    if any(flags.FLAGS[name].present for name in known):
        return  # the reading warns
    of_runs = {file: (_facts(file) or {}).get("class_names") for file in (first, other)}
    for names in of_runs.values():
        if not names or names == [str(number) for number in range(len(names))]:
            return  # they are not known
    if of_runs[first] != of_runs[other]:
        said = [f"{file!r} with {', '.join(n)}" for file, n in of_runs.items()]
        pass_flag = "pass --class_names if only the names differ" if known else ""
        raise ValueError(
            "The networks' runs must have the same classes in the same order. "
            f"Received: {' and '.join(said)}. {_advice(alone, pass_flag)}".rstrip(". ")
        )


def _settings(reading, other, mask_folder):
    """Yield the name and both values of what says how this program reads files."""
    names = ["image_size", "image_range", "ignore_class"]
    if mask_folder:
        names += ["mask_name", "binary_masks"]
        colors = [of.table.mask_colors if of.classes else {} for of in (reading, other)]
        yield "classes", *colors
    for name in names:
        if name in flags.FLAGS:
            yield name, getattr(reading, name), getattr(other, name)


def _advice(*choices):
    """Return a sentence of what may be done, of those choices that there are."""
    sentence = ", or ".join(filter(None, choices))
    return sentence[:1].upper() + sentence[1:]


def _text(name, value):
    if value in ((), ""):
        return f"no {name}"
    return f"{name}={flag_text(value)}"
