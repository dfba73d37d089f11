"""What came of a run: in words, and in three numbers."""

import dataclasses

import numpy as np

from keras_imas.evaluation import by_class
from keras_imas.metrics.rank_correlation import rank_correlation

_METHODS = {
    "imas": "iMAS",
    "uniform": "Uniform consistency training",
    "supervised": "Supervised training",
}
_WORST = 3


@dataclasses.dataclass(frozen=True)
class Summary:
    """What came of a run.

    Attributes:
        title: The method and the number of images, in words.
        sentences: List of strings.
        numbers: At most three of `(value, meaning, comparison)`, strings.
    """

    title: str
    sentences: list
    numbers: list


def summarize(run, errors=None):
    """Say whether a run worked.

    Args:
        run: `keras_imas.runs.Run`.
        errors: Dict from unlabeled image to the share of its pixels that the teacher
            gets wrong. Defaults to `None`: not known.

    Returns:
        `Summary`.
    """
    parts = (
        _progress(run),
        _accuracy(run),
        _classes(run),
        _true_errors(run, errors),
        _hardness(run),
        _pseudo_labels(run),
        _loss(run),
    )
    numbers = [number for _, number in parts if number]
    sentences = [sentence for sentence, _ in parts if sentence]
    return Summary(title_of(run), sentences, numbers[:3])


def title_of(run):
    """Return what a run is, in words.

    Args:
        run: `keras_imas.runs.Run`.

    Returns:
        Such as "iMAS on 23 labeled and 344 unlabeled images".
    """
    method = run.facts.get("recipe", {}).get("method", "")
    title = _METHODS.get(method, method) or run.name
    if "labeled" not in run.facts:
        return title
    unlabeled = ""
    if run.facts.get("unlabeled") and method != "supervised":
        unlabeled = f" and {run.facts['unlabeled']:,} unlabeled"
    return f"{title} on {run.facts['labeled']:,} labeled{unlabeled} images"


def tie_of(hardness):
    """Say how many images nothing ranks among themselves, if they are many.

    Args:
        hardness: `(N,)`.

    Returns:
        A sentence; `None` where fewer than a tenth of the images share a hardness.

    Example:
        >>> print(tie_of(np.array([1.0, 1.0, 0.3])))
        2 of the 3 images have hardness 1.000: their order means nothing.
        >>> tie_of(np.linspace(0, 1, 30))
    """
    values, counts = np.unique(np.round(hardness, 3), return_counts=True)
    most = counts.argmax()
    if counts[most] < max(2, len(hardness) / 10):
        return None
    return (
        f"{counts[most]:,} of the {len(hardness):,} images have hardness "
        f"{values[most]:.3f}: their order means nothing."
    )


def _progress(run):
    done = run.history[-1]["epoch"] if run.history else 0
    planned = run.facts.get("configuration", {}).get("epochs")
    if run.finished:
        took = run.facts.get("minutes")
        minutes = f" in {took:g} minutes" if took is not None else ""
        return f"The run is finished, {_counted(done, 'epoch')}{minutes}.", None
    of = f" of {planned}" if planned else ""
    return (
        f"The run is not finished: this is how it stood after epoch {done}{of}.",
        None,
    )


def _accuracy(run):
    epochs, teacher = run.column("val_mean_iou")
    student = run.column("val_student_mean_iou")[1]
    if not teacher:
        return "It has not been evaluated on validation images.", None
    sentence = (
        f"The teacher reaches an mIoU of {teacher[-1]:.3f} on the validation images"
    )
    if epochs[-1] < run.history[-1]["epoch"]:
        sentence += f" after epoch {epochs[-1]}"
    compared = []
    if len(teacher) > 1:
        sentence += f" ({teacher[-1] - teacher[0]:+.3f} since epoch {epochs[0]})"
    if student:
        sentence += f", the student {student[-1]:.3f}"
        compared.append(f"student {student[-1]:.3f}")
    best = max(range(len(teacher)), key=lambda i: np.nan_to_num(teacher[i]))
    if best < len(teacher) - 1:
        sentence += f"; its best was {teacher[best]:.3f}, after epoch {epochs[best]}"
        compared.append(f"best {teacher[best]:.3f}")
    return f"{sentence}.", (
        f"{teacher[-1]:.3f}",
        "mIoU of the teacher",
        ", ".join(compared),
    )


def _classes(run):
    """Name the classes that the teacher finds worst, of those with labels."""
    rows = run.column("iou")[1]
    if not rows:
        return None, None
    found = by_class(run.facts["class_names"], rows[-1]["teacher"])
    labeled = run.facts.get("validation_classes", found)
    iou = {
        name: value
        for name, value in found.items()
        if value is not None and name in labeled
    }
    if len(iou) <= _WORST:
        return None, None
    worst = sorted(iou, key=iou.get)[:_WORST]
    named = ", ".join(f"{name} ({iou[name]:.2f})" for name in worst)
    return f"The classes with the lowest IoU are {named}.", None


def _true_errors(run, errors):
    if not errors:
        return None, None
    mean = np.mean(list(errors.values()))
    sentence = (
        f"The teacher gets {_percent(mean, 1)} of the pixels wrong on the "
        f"{len(errors):,} unlabeled images whose label maps were compared"
    )
    recent = dict(zip(run.hardness.images, run.hardness.recent(), strict=True))
    correlation = rank_correlation([recent[n] for n in errors], list(errors.values()))
    compared = ""
    if np.isfinite(correlation):
        how = next(
            word
            for least, word in ((0.7, "well"), (0.4, "in part"), (-1, "hardly"))
            if correlation >= least
        )
        sentence += (
            f"; hardness tells {how} which images these errors are in (rank "
            f"correlation {correlation:.2f})"
        )
        compared = f"rank correlation with hardness {correlation:.2f}"
    return f"{sentence}.", (
        _percent(mean, 1),
        "wrong pixels, unlabeled images",
        compared,
    )


def _hardness(run):
    if run.hardness is None:
        return None, None
    means = np.nanmean(run.hardness.scores["hardness"], axis=1)
    first, last = means[0], means[-1]
    start = f"{first:.2f} in epoch {run.hardness.epochs[0]}"
    if len(means) < 2:
        start, sentence = "", f"Mean hardness is {last:.2f}"
    elif abs(last - first) < 0.02:
        sentence = f"Mean hardness stays at {last:.2f}"
    else:
        change = "falls" if last < first else "rises"
        sentence = f"Mean hardness {change} from {start} to {last:.2f}"
    return f"{sentence}.", (f"{last:.2f}", "mean hardness", start)


def _pseudo_labels(run):
    epochs, ratio = run.column("pseudo_label_ratio")
    if not ratio:
        return None, None
    return None, (
        _percent(ratio[-1]),
        "of the pseudo labels count",
        f"{_percent(ratio[0])} in epoch {epochs[0]}",
    )


def _loss(run):
    epochs, loss = run.column("loss")
    if not loss:
        return None, None
    return None, (f"{loss[-1]:.3f}", "loss", f"{loss[0]:.3f} in epoch {epochs[0]}")


def _percent(share, digits=0):
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def _counted(number, what):
    return f"{number:,} {what}{'' if number == 1 else 's'}"
