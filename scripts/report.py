"""Show one run, or several beside each other, on one HTML page.

    python scripts/report.py runs/folder-imas-1 runs/folder-uniform-1
    python scripts/report.py runs/folder-imas-1 --watch=30

Runs may be finished or still training. The page says whether a run worked, in words and
in three numbers; shows the hardest and the easiest images with their truth, if known,
and the predictions; says which images to label next; and draws losses, accuracy and
hardness over the epochs. It is one file that opens in any browser, light or dark, and
prints. label_next_RUN.csv beside it lists the images to label. Needs
pip install "keras-imas[report]".
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import csv  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

from absl import app, flags  # noqa: E402

from keras_imas.files.csv_text import to_cell  # noqa: E402
from keras_imas.files.user_path import user_path  # noqa: E402
from keras_imas.files.whole_file import whole_file, write_whole  # noqa: E402
from keras_imas.report.inspection import inspect  # noqa: E402
from keras_imas.report.page import make_page  # noqa: E402
from keras_imas.runs import read_run  # noqa: E402
from keras_imas.runs.flags import define_path, define_verbose  # noqa: E402

FLAGS = flags.FLAGS
define_path("output", None, "File of the page; default: report.html in the first run.")
flags.DEFINE_boolean("images", True, "Show images, which takes time to predict them.")
flags.DEFINE_integer("gallery", 6, "Number of easiest and of hardest images to show.")
flags.DEFINE_integer("count", 50, "Number of images to label next.")
flags.DEFINE_integer(
    "candidates", 500, "Number of hardest images to choose these from."
)
flags.DEFINE_integer(
    "truths",
    200,
    "Number of unlabeled images to compare with their masks, if there are masks.",
)
flags.DEFINE_integer(
    "watch",
    None,
    "Write the page anew after each epoch until the runs are finished; a browser reads "
    "it again every so many seconds. Faster with --noimages.",
    1,
)
define_verbose()


def main(argv):
    directories = [user_path(path) for path in argv[1:]]
    if not directories:
        raise app.UsageError("Pass the directories of one or several runs.")
    try:
        output = FLAGS.output or os.path.join(directories[0], "report.html")
        os.makedirs(os.path.dirname(output) or ".", exist_ok=True)
        while True:
            seen = _progress(directories)
            runs = [read_run(directory) for directory in directories]
            training = not all(run.facts.get("finished") for run in runs)
            again = FLAGS.watch if training else None
            write_report(runs, output, again)
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


def write_report(runs, output, refresh):
    """Write the page of runs, which a browser reads again every so many seconds."""
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


def write_ranking(path, rows):
    """Write the images to label next as CSV, best first."""
    columns = ["rank", "image", "file", "hardness", "novelty"]
    with (
        whole_file(path) as part,
        open(part, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            names = {name: to_cell(row[name]) for name in ("image", "file")}
            writer.writerow({**row, **names})


if __name__ == "__main__":
    app.run(main)
