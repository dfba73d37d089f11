"""List the images of a run to label next: hard ones that differ from each other.

    keras-imas label-next runs/folder-imas-1

Writes label_next_RUN.csv into the run's directory, best first, and prints the top of
it. This file is rewritten each time, also by `keras-imas report`; a file that --output
names must be new. Images are ranked by hardness and by how much they differ from
those that are labeled or ranked higher. `keras-imas report` shows them as pictures.
"""

import os
import sys
from pathlib import Path

from absl import app, flags

from keras_imas.files.user_path import user_path
from keras_imas.files.whole_file import check_writable
from keras_imas.report.images_of_run import images_of_run
from keras_imas.report.label_next import images_to_label, write_ranking
from keras_imas.runs import read_run
from keras_imas.runs.flags import define_path, define_verbose
from keras_imas.runs.one_line import in_one_line

FLAGS = flags.FLAGS
TAKES_ARGUMENTS = True
FIRST = {"Flags": ("count", "show", "candidates", "output", "verbose")}


def define():
    """Define its flags."""
    flags.DEFINE_integer("count", 50, "Number of images to list.", 1)
    flags.DEFINE_integer("show", 10, "Number of images to print.", 0)
    flags.DEFINE_integer(
        "candidates",
        500,
        "Number of hardest images to choose from; at least --count.",
        1,
    )
    define_path(
        "output",
        None,
        "New file to write; default: label_next_RUN.csv in the run, which is "
        "rewritten.",
    )
    define_verbose()


@in_one_line
def main(argv):
    """Write and print the list.

    Args:
        argv: Program and directory of the run.
    """
    if len(argv) != 2:
        raise app.UsageError("Pass the directory of one run.")
    directory = user_path(argv[1])
    run = read_run(directory)
    if run.hardness is None:
        others = sorted(Path(directory).glob("**/hardness.parquet"))  # of a comparison
        other = str(others[0].parent) if others else "a run of --method=imas or uniform"
        raise ValueError(
            f"{run.directory} has no hardness.parquet: the run was supervised, or its "
            f"first epoch is not over. Pass {other}"
        )
    if FLAGS.output and os.path.exists(FLAGS.output):
        raise ValueError(f"{FLAGS.output!r} is there. Choose another --output")
    default = os.path.join(run.directory, f"label_next_{run.name}.csv")
    output = FLAGS.output or default
    check_writable("output", output)
    with images_of_run(run) as images:
        rows = images_to_label(
            run, images, FLAGS.count, FLAGS.candidates, verbose=FLAGS.verbose
        )
    for reason in [*images.labeled.bad.values(), *images.unlabeled.bad.values()]:
        print(f"Left out: {reason}")
    if not rows:
        sys.exit("Error: there is no image to list.")
    for row in rows[: FLAGS.show]:
        name = row["file"] or row["image"]
        print(f"{row['rank']:4}. hardness {row['hardness']:.3f}  {name}")
    write_ranking(output, rows)
    print(f"Written: {output}, {len(rows)} images")
