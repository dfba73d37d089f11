r"""Check a data set before training: read it, and list all that is wrong with it.

    python scripts/check_dataset.py photos
    python scripts/check_dataset.py --dataset=folder --images=photos --masks=masks \
      --num_classes=11 --labeled=labeled.txt
    python scripts/check_dataset.py --dataset=voc --data_dir=VOCdevkit/VOC2012 \
      --flagfile=examples/flagfiles/voc_classic_92_r50.flags

Takes a directory, whose layout it recognizes (Cityscapes, VOC, CamVid, or images and
masks, with classes.csv if there is one), or --dataset and the flags of the training
program of that name, of which those of the training itself don't matter. The exit
status is 1 if there are errors.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from absl import app, flags  # noqa: E402

from keras_imas import data  # noqa: E402
from keras_imas.data.problems import Problem  # noqa: E402
from keras_imas.files import standard_json  # noqa: E402
from keras_imas.runs.flags import define_flags, define_path  # noqa: E402
from keras_imas.runs.recipe import Recipe  # noqa: E402
from keras_imas.runs.sources import SOURCES  # noqa: E402

FLAGS = flags.FLAGS
flags.DEFINE_enum(
    "dataset", None, list(SOURCES), "Kind of data set; default: by its layout."
)
flags.DEFINE_boolean(
    "full",
    True,
    f"Decode every image, rather than {data.preflight.SOME_IMAGES} of each part as "
    "training does.",
)
define_path("json", None, "File to write the report to as well.")


def main(argv):
    if FLAGS.json:
        try:
            Path(FLAGS.json).open("a", encoding="utf-8").close()
        except OSError as error:
            sys.exit(f"Error: the report can't be written: {error}")
    parts, classes, found = {}, {"class_names": (), "ignore_class": 255}, None
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
        print_parts(found, classes)
    # An image may be in several lists, and what is wrong with it is said once.
    problems = list(dict.fromkeys(problems))
    for severity in ("warning", "error"):
        for problem in problems:
            if problem.severity == severity:
                print(f"{severity.capitalize()}: {problem.message}")
    errors = sum(problem.severity == "error" for problem in problems)
    print(f"{errors} errors, {len(problems) - errors} warnings")
    if FLAGS.json:
        write_json(FLAGS.json, found, classes, problems)
    return 1 if errors else 0


def print_parts(found, classes):
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


def write_json(path, found, classes, problems):
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
        "problems": [vars(problem) for problem in problems],
    }
    Path(path).write_text(
        standard_json.dumps(report, indent=1) + "\n", encoding="utf-8"
    )


def recognized(directory):
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
            f"The layout of {directory!r} is none that is known: it has no leftImg8bit "
            "(Cityscapes), JPEGImages (VOC), trainannot (CamVid), or images and masks. "
            "Pass --dataset=folder --images=... --masks=... --num_classes=..."
        )
    known = ["--dataset=folder"]
    known += [f"--{name}={root / name}" for name in ("images", "masks")]
    if (root / "classes.csv").is_file():
        known.append(f"--classes={root / 'classes.csv'}")
    return known


def parse(argv):
    """Define the flags of the data set that is asked for, and parse all flags."""
    program, *arguments = argv
    directories = [a for a in arguments if not a.startswith("-")]
    if len(directories) > 1:
        raise app.UsageError("Pass one directory, and all flags as --name=value.")
    if directories:
        arguments.remove(directories[0])
        arguments = recognized(directories[0]) + arguments
    chosen = [a.split("=", 1)[1] for a in arguments if a.startswith("--dataset=")]
    if not chosen and not any(a.lstrip("-").startswith("help") for a in arguments):
        raise app.UsageError("Pass a directory, or --dataset=NAME and its flags.")
    define_flags(SOURCES.get(chosen[0] if chosen else None, SOURCES["folder"]))
    # Flagfiles hold the flags of the training too.
    define_flags(Recipe())
    return app.parse_flags_with_usage([program, *arguments])


if __name__ == "__main__":
    try:
        app.run(main, flags_parser=parse)
    except app.UsageError as error:
        sys.exit(f"Error: {error}")
