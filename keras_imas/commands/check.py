r"""Check a data set before training: read it, and list everything wrong with it.

    keras-imas check photos
    keras-imas check --images=photos --masks=masks --num_classes=11
    keras-imas check --dataset=voc --data_dir=VOC2012 --recipe=voc_classic_92_r50

Pass a directory whose layout it recognizes (Cityscapes, VOC, CamVid, or images and
masks, with classes.csv if there is one), or --dataset (with --images: folder) and the
flags that you would train with. The exit status is 1 if there are errors. It also
prints settings worth a try and, with a folder, those that `keras-imas train folder`
derives from the data; flags of the training change only these.
"""

import dataclasses
import importlib
import sys
from pathlib import Path

from absl import app, flags

from keras_imas import data
from keras_imas.data.as_examples import as_examples
from keras_imas.data.problems import Problem
from keras_imas.files import standard_json
from keras_imas.runs.data_facts import Facts
from keras_imas.runs.flags import define_flags, define_path
from keras_imas.runs.recipe import Recipe
from keras_imas.runs.shipped_recipes import with_recipes
from keras_imas.runs.sources import SOURCES
from keras_imas.runs.suggestions import print_suggestions, suggest

FLAGS = flags.FLAGS
FIRST = {
    "Data set": (
        "dataset",
        "images",
        "masks",
        "num_classes",
        "classes",
        "labeled",
        "unlabeled",
        "val_images",
        "val_masks",
        "data_dir",
        "recipe",
    ),
    "Report": ("full", "json"),
}


def define():
    """Define its flags."""
    flags.DEFINE_enum(
        "dataset", None, list(SOURCES), "Kind of data set; default: from its layout."
    )
    flags.DEFINE_boolean(
        "full",
        True,
        f"Decode every image, not only {data.preflight.SOME_IMAGES} of each part as "
        "training does.",
    )
    define_path("json", None, "File to also write the report to.")
    flags.DEFINE_string("recipe", None, "Name of a recipe whose flags to use.")
    try:
        dataset = _dataset(prepare(sys.argv))
    except (app.UsageError, ValueError):  # which is said when they are read
        dataset = None
    program = _program(dataset)
    define_flags(program.source)
    define_flags(program.recipe)  # which flagfiles hold too


def main(argv):
    """Check a data set as the flags say, and return the exit status.

    Args:
        argv: Command line, of which absl has taken the flags.

    Returns:
        0, or 1 if there are errors.
    """
    if FLAGS.json:
        try:
            Path(FLAGS.json).open("a", encoding="utf-8").close()
        except OSError as error:
            sys.exit(f"Error: the report can't be written: {error}")
    parts, classes, found = {}, {"class_names": (), "ignore_class": 255}, None
    suggestions = []
    with data.collected() as problems:
        try:
            source = SOURCES[FLAGS.dataset].from_flags()
            parts = source.parts(FLAGS.seed)
            classes = source.legend()
        except (ValueError, OSError) as error:
            problems.append(Problem(str(error)))
    parts = {name: part for name, part in parts.items() if part is not None}
    if parts and "unlabeled" not in parts:
        message = "all images are labeled. Pass `unlabeled`: others, without masks"
        problems.append(Problem(message, "warning"))
    names = classes["class_names"]
    if parts and not names:
        message = (
            "ids are not checked, as the number of classes is not known: pass "
            "--num_classes or --classes"
        )
        problems.append(Problem(message, "warning"))
    if parts:
        found = data.check(
            parts,
            len(names) or None,
            classes["ignore_class"],
            class_names=names,
            images=None if FLAGS.full else data.preflight.SOME_IMAGES,
            allow_shared=FLAGS.labeled_as_unlabeled,
            verbose="auto",
        )
        problems += found.problems
        _print_parts(found, classes)
        try:
            suggestions = _suggestions(parts, found, classes)
        except ValueError as error:  # of flags of the training, which don't matter here
            problems.append(Problem(str(error), "warning"))
        print_suggestions(suggestions)
    # An image may be in several lists, and what is wrong with it is said once.
    problems = list(dict.fromkeys(problems))
    for severity in ("warning", "error"):
        for problem in problems:
            if problem.severity == severity:
                print(f"{severity.capitalize()}: {problem.message}")
    errors = sum(problem.severity == "error" for problem in problems)
    print(f"{errors} errors, {len(problems) - errors} warnings")
    if FLAGS.json:
        _write_json(FLAGS.json, found, classes, suggestions, problems)
    return 1 if errors else 0


def _print_parts(found, classes):
    """Print what is in each part: images, their sizes, classes."""
    for name, part in found.parts.items():
        sizes = [f"{h}x{w} ({n})" for (h, w), n in part.sizes.most_common(5)]
        more = f" and {len(part.sizes) - 5} other sizes" if len(part.sizes) > 5 else ""
        print(
            f"{name}: {part.images:,} images, {part.read:,} decoded; height x width: "
            f"{', '.join(sizes)}{more}"
        )
        if part.values is not None:
            low, high = part.values
            print(f"{name}: files of more than 8 bits hold {low:g} to {high:g}")
    labeled = {name: part for name, part in found.parts.items() if part.pixels}
    if not labeled:
        return
    ignore = classes["ignore_class"]
    names = dict(enumerate(classes["class_names"]))
    ids = sorted(set(names).union(*(part.pixels for part in labeled.values())))
    columns = "".join(f" {name}: pixels | images |" for name in labeled)
    print(f"\n| id | class |{columns}\n|---:|---|{'---:|---:|' * len(labeled)}")
    names[ignore] = "(ignore)"
    for class_id in ids:
        row = f"| {class_id} | {names.get(class_id, '?')} |"
        for part in labeled.values():
            share = part.pixels[class_id] / max(part.pixels.total(), 1)
            row += f" {share:.2%} | {part.images_with[class_id]} |"
        print(row)
    print()


def _suggestions(parts, found, classes):
    """List the settings derived from the data, but for flags that are given."""
    if "labeled" not in parts:
        return []
    facts = Facts.of(
        as_examples(parts["labeled"]),
        as_examples(parts["unlabeled"]) if "unlabeled" in parts else None,
        report=found,
        class_names=tuple(classes["class_names"]),
        ignore_class=classes["ignore_class"],
    )
    given = {name for name in FLAGS if FLAGS[name].present}
    found = suggest(facts, Recipe.from_flags(), given)[1]
    # Not every data set can be read smaller, or has masks of other ids.
    found = [suggestion for suggestion in found if suggestion.flag in FLAGS]
    if _program(FLAGS.dataset).from_data:
        return found
    return [suggestion for suggestion in found if not suggestion.taken]


def _program(dataset):
    """Return the program that trains on a kind of data set."""
    name = dataset if dataset in SOURCES else "folder"
    return importlib.import_module(f"keras_imas.commands.train_{name}").PROGRAM


def _write_json(path, found, classes, suggestions, problems):
    """Write the report as JSON."""
    report = {
        "parts": {
            name: {
                "images": part.images,
                "decoded": part.read,
                "sizes": {f"{h}x{w}": n for (h, w), n in part.sizes.items()},
                "pixels": dict(sorted(part.pixels.items())),
                "values": part.values,
                "images_with": dict(sorted(part.images_with.items())),
            }
            for name, part in (found.parts.items() if found else ())
        },
        **classes,
        "suggestions": [vars(suggestion) for suggestion in suggestions],
        "problems": [vars(problem) for problem in problems],
    }
    Path(path).write_text(
        standard_json.dumps(report, indent=1) + "\n", encoding="utf-8"
    )


def _recognized(directory):
    """Return the flags for a directory of known layout.

    Args:
        directory: Path of the directory.

    Returns:
        List of command-line arguments.
    """
    root = Path(directory)
    if not root.is_dir():
        raise app.UsageError(f"There is no directory {directory!r}.")
    for dataset, mark in (
        ("cityscapes", "leftImg8bit"),
        ("voc", "JPEGImages"),
        ("camvid", "trainannot"),
    ):
        if (root / mark).is_dir():
            return [f"--dataset={dataset}", f"--data_dir={root}"]
    if not all((root / name).is_dir() for name in ("images", "masks")):
        raise app.UsageError(
            f"The layout of {directory!r} is not known: it has no leftImg8bit "
            "(Cityscapes), JPEGImages (VOC), trainannot (CamVid), or images and masks. "
            "Pass --dataset=folder --images=... --masks=... --num_classes=..."
        )
    known = ["--dataset=folder"]
    known += [f"--{name}={root / name}" for name in ("images", "masks")]
    if (root / "classes.csv").is_file():
        known.append(f"--classes={root / 'classes.csv'}")
    return known


def prepare(argv):
    """Write a directory, its layout and recipes in a command line as flags.

    Args:
        argv: Command line.

    Returns:
        Command line of flags alone.

    Raises:
        absl.app.UsageError: If the data set is not known.
        ValueError: If a recipe is not known.
    """
    program, *arguments = argv
    arguments, directories = _apart(arguments)
    if len(directories) > 1:
        raise app.UsageError("Pass one directory, and all flags as --name=value.")
    if directories:
        arguments = _recognized(directories[0]) + arguments
    dataset = _dataset(arguments)
    if dataset is None and not any(a.lstrip("-").startswith("help") for a in arguments):
        raise app.UsageError("Pass a directory, or --dataset=NAME and its flags.")
    if dataset == "folder" and not _values(arguments, "dataset"):
        arguments = ["--dataset=folder", *arguments]
    return [program, *with_recipes(arguments, dataset)]


def _dataset(arguments):
    """Return the data set that is asked for; `None` if none is."""
    chosen = _values(arguments, "dataset")
    if not chosen and _values(arguments, "images"):
        return "folder"
    return chosen[-1] if chosen else None


def _values(arguments, name):
    """Return the values of a flag."""
    given = [argument.lstrip("-").partition("=") for argument in arguments]
    return [value for flag, equals, value in given if flag == name and equals]


def _apart(arguments):
    """Return the flags, those with a value as `--name=value`, and what is no flag."""
    known = [Recipe, *SOURCES.values()]
    fields = [field for kind in known for field in dataclasses.fields(kind)]
    takes = {field.name for field in fields if field.type is not bool}
    takes |= {"dataset", "json", "recipe", "flagfile"}
    found, others, rest = [], [], list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument.startswith("-") and argument.lstrip("-") in takes and rest:
            argument = f"--{argument.lstrip('-')}={rest.pop(0)}"
        (found if argument.startswith("-") else others).append(argument)
    return found, others
