r"""Show the results of a study: means, paired differences with 95 % intervals, a plot.

    keras-imas study-report studies/regime.csv --baseline=supervised,regime \
      --plot=docs/regime.png

Means are over the runs, ± their standard deviation. A difference is between runs of the
same split and seed, ± half the width of the interval, with the number of pairs.
"""

import os
import sys

from absl import app, flags

from keras_imas.files.user_path import user_path
from keras_imas.report import study
from keras_imas.runs.flags import define_path

FLAGS = flags.FLAGS
TAKES_ARGUMENTS = True
FIRST = {"Flags": ("baseline", "score", "reading", "plot")}


def define():
    """Define its flags."""
    flags.DEFINE_list("baseline", None, "METHOD,VARIANT to compare the others with.")
    flags.DEFINE_string("score", "teacher_last", "Column to show, such as iou_car.")
    flags.DEFINE_string("reading", None, "Show only this way of reading images.")
    define_path("plot", None, "Picture to draw (PNG; needs Matplotlib).")


def main(argv):
    """Print what a study found.

    Args:
        argv: Program and table of the study.
    """
    if len(argv) != 2:
        raise app.UsageError("One table of a study is needed.")
    if not os.path.isfile(user_path(argv[1])):
        sys.exit(f"Error: there is no table {argv[1]!r}")
    rows = study.read(argv[1])
    columns = ("images", *study.ARM, *study.PAIR)
    lacks = [name for name in columns if rows and name not in rows[0]]
    if lacks:
        sys.exit(
            f"Error: {argv[1]!r} is no table of a study: it has no column "
            f"{', '.join(lacks)}"
        )
    if FLAGS.reading:
        rows = [row for row in rows if row["reading"] == FLAGS.reading]
    if not rows:
        raise app.UsageError(f"There is nothing to show in {argv[1]!r}.")
    try:
        print(study.table(rows, FLAGS.baseline, FLAGS.score))
        if FLAGS.plot:
            study.plot(rows, FLAGS.plot, column=FLAGS.score)
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"Error: {error}")
