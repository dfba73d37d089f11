r"""Draw splits of a list of training images into labeled and unlabeled.

    keras-imas splits --names=camvid/train.txt --output_dir=camvid/splits \
      --sizes=1/16,1/8,1/4 --seeds=0,1,2

Writes 1_16_seed0/labeled.txt and unlabeled.txt, and so on, one name per line, for
`--labeled` and `--unlabeled` of the training programs, and splits.json, which says how
they were drawn. The splits of a seed are nested: 1/16 is part of 1/8, and so on.

Neighboring video frames are nearly the same image: with --group a sequence is drawn as
a whole. A small draw easily misses rare classes: with --masks the smallest split has
every class, and so have all others.
"""

import collections
import fractions
import itertools
import unicodedata
from pathlib import Path, PurePosixPath

from absl import app, flags

from keras_imas.command_line.own_command import command_line
from keras_imas.data import lists, splits
from keras_imas.data.facts import read_facts
from keras_imas.data.files import stem
from keras_imas.files import standard_json
from keras_imas.runs import provenance
from keras_imas.runs.flags import define_flags, define_path
from keras_imas.runs.new_directory import claim_directory
from keras_imas.runs.one_line import in_one_line
from keras_imas.runs.reading import Reading, reading_from_flags

FLAGS = flags.FLAGS
FIRST = {
    "Images": ("names", "images", "exclude"),
    "Draw": ("sizes", "seeds", "group", "masks", "num_classes", "classes"),
    "Result": ("output_dir",),
}


def define():
    """Define its flags."""
    define_path(
        "names",
        None,
        "List of images to draw from, one name per line; of a pair `a.jpg a.png` the "
        "first.",
    )
    define_path(
        "images",
        None,
        "Folder of images to draw from, all below it or those of --names.",
    )
    define_path("exclude", None, "List of images to leave out, such as held-out ones.")
    flags.DEFINE_list(
        "sizes",
        ["1/16", "1/8", "1/4", "1/2"],
        "How much is labeled: shares such as 1/16 or 0.1, or numbers of images such as "
        "99.",
    )
    flags.DEFINE_list("seeds", ["0"], "Seeds, such as 0,1,2; each draws all sizes.")
    flags.DEFINE_string(
        "group",
        None,
        "Regular expression that finds the group in a name, to draw groups whole, such "
        r"as video sequences: '^(\w+?)_'. The first parentheses, or without them all "
        "of the match, are the group. The sizes are then met as nearly as whole groups "
        "allow.",
    )
    define_path(
        "masks",
        None,
        "Folder of masks: every labeled part gets every class that is in any of them. "
        "Needs --images, and the classes.",
    )
    define_path(
        "model",
        None,
        "Directory of a run, or a file in it: read masks as that run did, unless a "
        "flag says otherwise.",
    )
    define_flags(Reading)
    define_path(
        "output_dir", None, "New directory; gets a directory for each size and seed."
    )
    flags.mark_flag_as_required("output_dir")
    flags.register_multi_flags_validator(
        ["names", "images"],
        lambda given: any(given.values()),
        "--names or --images is needed",
    )
    flags.register_multi_flags_validator(
        ["masks", "images"],
        lambda given: not given["masks"] or given["images"],
        "--masks needs --images",
    )
    flags.register_validator(
        "seeds",
        lambda seeds: (
            all(seed.isdecimal() for seed in seeds)
            and 0 < len(set(map(int, seeds))) == len(seeds)
        ),
        "must be different integers, such as 0,1,2",
    )


@in_one_line
def main(argv):
    """Draw splits as the flags say.

    Args:
        argv: Command line, of which absl has taken the flags.
    """
    sizes = _read_sizes()
    names, classes = _read()
    unlisted = [name for name in names if not lists.is_line(name)]
    if unlisted:
        raise ValueError(
            f"No line of a list can hold {', '.join(map(repr, unlisted[:3]))}: it "
            "would be read as another name. Rename what has line breaks, or spaces at "
            "its beginning or end"
        )
    groups = FLAGS.group and splits.group_keys(names, FLAGS.group)
    exact = splits.nested(names, list(sizes.values()))
    drawn = {}
    for seed in map(int, FLAGS.seeds):
        parts = splits.nested(
            names, list(sizes.values()), seed, groups=groups, classes=classes
        )
        for size, number in sizes.items():
            drawn[f"{size.replace('/', '_')}_seed{seed}"] = (size, seed, parts[number])
    claim_directory(FLAGS.output_dir)

    present = None if classes is None else set().union(*classes)
    record = {
        "command": command_line(),
        "versions": provenance.versions(),
        "git_revision": provenance.git_revision(),
        "images": len(names),
        "classes": None if present is None else sorted(present),
        "group": FLAGS.group,
        "excluded": FLAGS.exclude,
        "sizes": list(sizes),
        "seeds": list(map(int, FLAGS.seeds)),
        "splits": {},
    }
    for directory, (size, seed, labeled) in drawn.items():
        unlabeled = splits.rest(names, labeled)
        entry = {
            "size": size,
            "seed": seed,
            "labeled": len(labeled),
            "unlabeled": len(unlabeled),
            "checksum": provenance.split_checksum(labeled=labeled, unlabeled=unlabeled),
        }
        if groups:
            entry["wanted"] = len(exact[sizes[size]])
        if classes is not None:
            found = dict(zip(names, classes, strict=True))
            here = set().union(*(found[name] for name in labeled))
            entry["classes"] = f"{len(here)} of {len(present)}"
        record["splits"][directory] = entry
        path = Path(FLAGS.output_dir, directory)
        path.mkdir()
        for part, content in (("labeled", labeled), ("unlabeled", unlabeled)):
            lines = "".join(f"{name}\n" for name in content)
            (path / f"{part}.txt").write_text(lines, encoding="utf-8")
    path = Path(FLAGS.output_dir, "splits.json")
    path.write_text(standard_json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(_table(record["splits"]))
    _print_same(record["splits"])
    print(f"Written to {FLAGS.output_dir}")


def _read_sizes():
    """Return the numbers of --sizes by their texts."""
    sizes = {}
    for text in map(str.strip, FLAGS.sizes):
        try:
            size = int(text) if text.isdecimal() else fractions.Fraction(text)
        except (ValueError, ZeroDivisionError):
            raise app.UsageError(
                "--sizes must be shares such as 1/16 or 0.1, or numbers of images such "
                f"as 100. Received: {text!r}"
            ) from None
        sizes[text] = size
    return sizes


def _read():
    """Return the names, and with --masks the set of classes in each one's mask."""
    classes = None
    if FLAGS.images:
        reading = reading_from_flags(FLAGS.model)
        if FLAGS.masks and reading.known_classes is None:
            raise ValueError(
                "With `masks` the classes must be known: pass `num_classes` or "
                "`classes`, or the `model` of a run"
            )
        examples = reading.read_folder(
            FLAGS.images,
            FLAGS.masks,
            FLAGS.names,
            num_classes=reading.known_classes if FLAGS.masks else None,
        )
        names = list(examples.names)
        if FLAGS.masks:
            classes = _classes_of(examples, reading.ignore_class)
    else:
        names = _read_list(FLAGS.names)
    if FLAGS.exclude:
        excluded, lost = _excluded(names)
        kept = [_key(name) not in excluded for name in names]
        if all(kept) or not any(kept):
            raise app.UsageError(
                f"--exclude must list some of the {len(names)} images, and leave some. "
                f"It lists {'none' if all(kept) else 'all'} of them; their names are "
                f"such as {names[0]!r}."
            )
        print(f"Left out by --exclude: {kept.count(False)} of {len(names)} images")
        if lost:
            print(
                f"Note: {len(lost)} lines of --exclude name none of them, such as "
                f"{lost[0]!r}"
            )
        names = list(itertools.compress(names, kept))
        classes = classes and list(itertools.compress(classes, kept))
    return names, classes


def _excluded(names):
    """Return the keys of --exclude, and its lines that are none of the names."""
    known, found, lost = set(map(_key, names)), set(), []
    for line in _read_list(FLAGS.exclude):
        # A list may begin its paths above the folder, see `lists.below`.
        paths = lists.below(Path(FLAGS.images), line) if FLAGS.images else [line]
        key = next((key for key in map(_key, paths) if key in known), None)
        if key is None:
            lost.append(line)
        else:
            found.add(key)
    return found, lost


def _key(name):
    """Return what names of one image have in common."""
    return unicodedata.normalize("NFC", stem(PurePosixPath(name).as_posix()))


def _read_list(path):
    """Return the names in a list; of an image file and its mask file the former."""
    names = []
    for entry in lists.read_list(path):
        if entry.text.startswith("#") and stem(entry.text) == entry.text:
            raise ValueError(f"{path!r}: {lists.no_comment(entry)}{entry.place}")
        fields = entry.fields()
        # Anything else may be a name with a space or a comma in it.
        pair = len(fields) == 2 and all(stem(field) != field for field in fields)
        names.append(fields[0] if pair else entry.text)
    if not names:
        raise app.UsageError(f"{path!r} has no names.")
    counts = collections.Counter(map(stem, names))
    twice = [name for name in names if counts[stem(name)] > 1]
    if twice:
        raise ValueError(f"{path!r} names images more than once: {', '.join(twice)}")
    return names


def _classes_of(examples, ignore_class):
    """Return the set of classes in each label map."""
    ignored = {ignore_class}
    return [set(f["ids"].tolist()) - ignored for f in read_facts(examples, 0)]


def _table(entries):
    """Format the splits as a table in Markdown."""
    columns = ["labeled", "wanted", "unlabeled", "checksum", "classes"]
    known = next(iter(entries.values()))
    columns = [column for column in columns if column in known]
    rows = [["split", *columns], ["---", *["---:"] * len(columns)]]
    rows += [[name, *(entry[c] for c in columns)] for name, entry in entries.items()]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def _print_same(entries):
    """Say which splits are one and the same."""
    same = {}
    for name, entry in entries.items():
        same.setdefault(entry["checksum"], []).append(name)
    for names in same.values():
        if len(names) > 1:
            print(f"Note: the same images are in {', '.join(names)}.")
