"""What a study found: its table of rows, means, paired differences and a plot."""

import csv
import os
import statistics

from keras_imas.evaluation import by_class
from keras_imas.files.user_path import user_path
from keras_imas.files.whole_file import whole_file

# What a trial is, and what makes two trials a pair.
ARM = ("data", "labeled", "method", "variant", "reading")
PAIR = ("split_seed", "seed")
_SCORES = ("teacher_last", "student_last", "hardness_correlation", "iou_CLASS")


def rows_of(result):
    """Return the rows that a trial has in its study's table.

    Args:
        result: Dict, as `keras_imas.runs.study.Study.run` returns it.

    Returns:
        List of dicts, one for each reading and kind of images. `teacher_last` is the
        mean of the last three evaluations where there are three, `teacher_best` the
        best of them; the classes' IoU, recall and precision of pseudo labels, and the
        hardness' rank correlation with the teacher's error are those of the last.
    """
    found, rows = result["evaluations"], []
    last = result["pseudo_labels"][-1]
    keys = dict.fromkeys((e["reading"], e["images"]) for e in found)
    for reading, images in keys:
        of = {"reading": reading, "images": images}
        teacher, student = (
            [e for e in found if {**e, **of, "network": network} == e]
            for network in ("teacher", "student")
        )
        row = {
            name: result[name]
            for name in (
                "data", "labels", "split_seed", "seed", "method", "variant", "steps",
            )
        }  # fmt: skip
        row["labeled"] = row.pop("labels")
        values = [e["mean_iou"] for e in teacher if e["mean_iou"] is not None]
        row |= {
            **of,
            "evaluations": len(values),
            "teacher_last": round(statistics.fmean(values), 4) if values else "",
            "teacher_best": round(max(values), 4) if values else "",
            "student_last": _cell(_rounded(student[-1]["mean_iou"])) if student else "",
            "hardness_correlation": _cell(_rounded(last["hardness_correlation"])),
            "minutes": result["minutes"],
            "backend": result["backend"],
            "revision": result["revision"],
        }
        columns = {"iou": [_rounded(x) for x in teacher[-1]["iou"]]}
        columns |= {kind: last[kind] for kind in ("recall", "precision")}
        for kind, of_class in columns.items():
            for name, value in by_class(result["class_names"], of_class).items():
                row[f"{kind}_{name}"] = _cell(value)
        rows.append(row)
    return rows


def read(path):
    """Read the table of a study.

    Args:
        path: Path of the CSV file.

    Returns:
        List of dicts of strings; empty where there is no file.
    """
    path = user_path(path)
    if not os.path.exists(path):
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def append(path, rows):
    """Add rows to the table of a study.

    Args:
        path: Path of the CSV file; made where it is not there.
        rows: List of dicts; columns that are new come last.
    """
    path = user_path(path)
    everything = read(path) + rows
    columns = list(dict.fromkeys(name for row in everything for name in row))
    with (
        whole_file(path) as part,
        open(part, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(everything)


def arms(rows, images, column="teacher_last"):
    """Collect the scores of each arm of a study.

    Args:
        rows: List of dicts, see `read`.
        images: "val", "unlabeled" or "far".
        column: The score. Defaults to `"teacher_last"`.

    Returns:
        Dict from arm, a tuple of the values of `ARM`, to a dict from pair, a tuple of
        those of `PAIR`, to score.

    Raises:
        ValueError: If the column holds no numbers.
    """
    found = {}
    for row in rows:
        if row["images"] == images and row.get(column) not in (None, ""):
            arm, pair = (tuple(row[k] for k in keys) for keys in (ARM, PAIR))
            try:
                score = float(row[column])
            except ValueError:
                raise _no_score(column) from None
            found.setdefault(arm, {})[pair] = score
    return found


def paired(ours, theirs):
    """Return mean and 95 % interval of the differences of two arms.

    Args:
        ours: Dict from pair to score, as in `arms`.
        theirs: The same of the arm to compare with.

    Returns:
        `(mean, half_width, count)`, by the t distribution over the pairs that both
        have; the half width is `None` where there are fewer than two.

    Example:
        >>> mean, half, count = paired({0: 0.5, 1: 0.6}, {0: 0.4, 1: 0.4, 2: 0.1})
        >>> round(mean, 3), round(half, 3), count
        (0.15, 0.635, 2)
    """
    differences = [ours[pair] - theirs[pair] for pair in ours if pair in theirs]
    count = len(differences)
    mean = statistics.fmean(differences) if differences else float("nan")
    if count < 2:
        return mean, None, count
    from scipy import stats

    error = statistics.stdev(differences) / count**0.5
    return mean, float(stats.t.ppf(0.975, count - 1)) * error, count


def table(rows, baseline=None, column="teacher_last"):
    """Make a table, in Markdown, of the arms of a study.

    Args:
        rows: List of dicts, see `read`.
        baseline: `(method, variant)` of the arm that others of the same data, labels
            and reading are compared with. Defaults to `None`: no differences.
        column: The score. Defaults to `"teacher_last"`.

    Returns:
        String.

    Raises:
        ValueError: If no row has that score, or no arm with a score is the baseline.
    """
    images = list(dict.fromkeys(row["images"] for row in rows))
    scores = {name: arms(rows, name, column) for name in images}
    known = sorted({arm[2:4] for of_arms in scores.values() for arm in of_arms})
    if not known:
        raise _no_score(column)
    if baseline and tuple(baseline) not in known:
        raise ValueError(
            f"`baseline` must be METHOD,VARIANT of an arm that has {column!r}: "
            f"{'; '.join(map(','.join, known)) or 'none'}. Received: "
            f"{','.join(baseline)}"
        )
    heads = [
        *ARM,
        *images,
        *([f"{name}, difference" for name in images] * bool(baseline)),
    ]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for arm in dict.fromkeys(arm for name in images for arm in scores[name]):
        cells = list(arm)
        cells += [_mean(scores[name].get(arm, {})) for name in images]
        if baseline:
            other = (*arm[:2], *baseline, arm[-1])
            cells += [
                ""
                if other == arm or other not in scores[name]
                else _difference(scores[name].get(arm, {}), scores[name][other])
                for name in images
            ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def pyplot():
    """Import what draws plots into files.

    Returns:
        Matplotlib's `pyplot`.

    Raises:
        ImportError: If Matplotlib is not installed.

    Example:
        >>> pyplot().get_backend().lower()
        'agg'
    """
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError(
            'A plot needs Matplotlib: pip install "keras-imas[report]"'
        ) from error
    matplotlib.use("agg")
    from matplotlib import pyplot

    return pyplot


def plot(rows, path, reading=None, column="teacher_last"):
    """Draw the scores of all arms, a point a run and a line at their mean.

    Args:
        rows: List of dicts, see `read`.
        path: Where to write the picture, a PNG.
        reading: The reading to show. Defaults to `None`: that of the first row.
        column: The score. Defaults to `"teacher_last"`.

    Raises:
        ImportError: If Matplotlib is not installed.
    """
    plt = pyplot()
    reading = reading or rows[0]["reading"]
    rows = [row for row in rows if row["reading"] == reading]
    images = list(dict.fromkeys(row["images"] for row in rows))
    figure, axes = plt.subplots(
        1, len(images), sharey=True, figsize=(3 + 2.4 * len(images), 4.2), squeeze=False
    )
    for axis, name in zip(axes[0], images, strict=True):
        found = arms(rows, name, column)
        for place, scores in enumerate(found.values()):
            axis.plot([place] * len(scores), list(scores.values()), "o", alpha=0.6)
            mean = statistics.fmean(scores.values())
            axis.hlines(mean, place - 0.3, place + 0.3, color="black")
        labels = [f"{arm[2]}\n{arm[3]}" for arm in found]
        axis.set_xticks(range(len(found)), labels, rotation=60, fontsize=7)
        axis.set_title(f"{name} images", fontsize=9)
        axis.grid(axis="y", alpha=0.3)
    axes[0][0].set_ylabel("mIoU of the teacher")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _no_score(column):
    return ValueError(
        f"`score` must be a column with numbers, such as {', '.join(_SCORES)}. "
        f"Received: {column!r}"
    )


def _mean(scores):
    values = list(scores.values())
    if not values:
        return ""
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{statistics.fmean(values):.3f} ± {statistics.stdev(values):.3f}"


def _difference(ours, theirs):
    mean, half, count = paired(ours, theirs)
    if not count:
        return ""
    return f"{mean:+.3f}" + ("" if half is None else f" ± {half:.3f}") + f" ({count})"


def _cell(value):
    return "" if value is None else value


def _rounded(value):
    return None if value is None else round(value, 4)
