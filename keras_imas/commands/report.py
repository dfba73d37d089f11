"""Show one run, or several side by side, on one HTML page.

    keras-imas report runs/folder-imas-1 runs/folder-uniform-1
    keras-imas report runs/folder-imas-1 --watch=30

Runs may be finished or still training. The page says whether a run worked, in words and
in three numbers; shows the hardest and the easiest images with their masks, if any, and
the predictions; lists which images to label next; and plots losses, accuracy and
hardness by epoch. It is one file that opens in any browser, in light or dark mode, and
prints well. label_next_RUN.csv beside it lists the images to label. Needs
pip install "keras-imas[report]".
"""

import os
import sys
import time

from absl import app, flags

from keras_imas.files.user_path import user_path
from keras_imas.files.whole_file import check_writable, write_whole
from keras_imas.report.inspection import inspect
from keras_imas.report.label_next import write_ranking
from keras_imas.report.page import check_installed, make_page
from keras_imas.runs import read_run
from keras_imas.runs.flags import define_path, define_verbose

FLAGS = flags.FLAGS
TAKES_ARGUMENTS = True
FIRST = {
    "Flags": ("output", "watch", "images", "gallery", "count", "candidates", "truths")
}


def define():
    """Define its flags."""
    define_path(
        "output", None, "File of the page; default: report.html in the first run."
    )
    flags.DEFINE_boolean("images", True, "Show images; predicting them takes time.")
    flags.DEFINE_integer(
        "gallery", 6, "Number of easiest and of hardest images to show."
    )
    flags.DEFINE_integer("count", 50, "Number of images to label next.")
    flags.DEFINE_integer(
        "candidates",
        500,
        "Number of hardest images to choose these from; at least --count.",
    )
    flags.DEFINE_integer(
        "truths",
        200,
        "Number of unlabeled images to compare with their masks, if there are masks.",
    )
    flags.DEFINE_integer(
        "watch",
        None,
        "Rewrite the page after each epoch until the runs are finished; the browser "
        "reloads it every N seconds. Faster with --noimages.",
        1,
    )
    define_verbose()


def main(argv):
    """Write the page as the flags say.

    Args:
        argv: Program and directories of runs.
    """
    directories = [user_path(path) for path in argv[1:]]
    if not directories:
        raise app.UsageError("Pass the directories of one or several runs.")
    try:
        check_installed()
        output = FLAGS.output or os.path.join(directories[0], "report.html")
        # Where there is no run, no folder is made for its page.
        if FLAGS.output or os.path.isdir(directories[0]):
            check_writable("output", output)
        while True:
            seen = _progress(directories)
            runs = [read_run(directory) for directory in directories]
            training = not all(run.facts.get("finished") for run in runs)
            again = FLAGS.watch if training else None
            _write_report(runs, output, again)
            if not again:
                break
            print(f"Watching; Ctrl-C ends it. Written: {output}", flush=True)
            while _progress(directories) == seen:
                time.sleep(min(again, 5))
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"Error: {error}")
    except KeyboardInterrupt:
        print()
    print(f"Written: {output}")


def _write_report(runs, output, refresh):
    """Write the page of runs; the browser reloads it every `refresh` seconds."""
    twice = {run.name for run in runs if [r.name for r in runs].count(run.name) > 1}
    if twice:
        raise ValueError(f"Two runs are named {twice.pop()!r}; rename a directory")
    inspections = {}
    for run in runs:
        if FLAGS.images and run.hardness is not None:
            inspections[run.name] = inspect(
                run,
                gallery=FLAGS.gallery,
                count=FLAGS.count,
                candidates=FLAGS.candidates,
                truths=FLAGS.truths,
                verbose=FLAGS.verbose,
            )
    write_whole(output, make_page(runs, inspections, refresh=refresh))
    for name, found in inspections.items():
        for sentence in found.missing:
            print(f"{name}: {sentence}")
        if found.next:
            path = os.path.join(os.path.dirname(output), f"label_next_{name}.csv")
            write_ranking(path, found.next)
            print(f"Written: {path}")


def _progress(directories):
    """Return what changes when an epoch or a run ends."""
    paths = [
        os.path.join(directory, name)
        for directory in directories
        for name in ("history.jsonl", "run.json")
    ]
    return [os.stat(path).st_mtime_ns for path in paths if os.path.exists(path)]
