"""The results of a run, printed and for `run.json`."""

import numpy as np

from keras_imas.evaluation import by_class, distinct_names, remarks
from keras_imas.inference import drawing

_NETWORKS = {"teacher": "val_", "student": "val_student_"}


def accuracy(evaluation, logs, class_names):
    """Print the IoU of each class, and return the accuracy of both networks.

    Args:
        evaluation: `keras_imas.callbacks.Evaluation` after training.
        logs: Dict from the name of a number to its list, a value an evaluation.
        class_names: Names of the classes.

    Returns:
        Dict for `run.json`.
    """
    best = 0
    if evaluation.best_epoch is not None:  # as it is where no pixel has a label
        best = evaluation.epochs.index(evaluation.best_epoch)
    results = {"best_epoch": evaluation.epochs[best] + 1, "per_class": {}}
    for network, prefix in _NETWORKS.items():
        values = logs[f"{prefix}mean_iou"]
        confusion = evaluation.confusion[network]
        results[f"{network}_last"] = round(values[-1], 4)
        results[f"{network}_best"] = round(max(values), 4)
        results[f"{network}_selected"] = round(values[best], 4)
        results[f"{network}_pixel_accuracy"] = round(confusion.pixel_accuracy, 4)
        results["per_class"][network] = by_class(class_names, rounded(confusion.iou))
    labeled = evaluation.confusion["teacher"].labeled
    results["validation_classes"] = [
        name
        for name, there in zip(distinct_names(class_names), labeled, strict=True)
        if there
    ]
    columns = {name: matrix.iou for name, matrix in evaluation.confusion.items()}
    print("\nIoU on the validation images after the last epoch")
    print(drawing.class_table(class_names, columns, confusion.labeled))
    for network in _NETWORKS:
        print(
            f"mIoU of the {network}: last {results[f'{network}_last']:.3f}, "
            f"best {results[f'{network}_best']:.3f} (chosen on these very images)"
        )
        for remark in remarks(evaluation.confusion[network], class_names):
            print(f"{network}: {remark}")
    if "select_" in evaluation.data:
        print(
            f"At epoch {results['best_epoch']}, the best on the images to select on: "
            f"teacher {results['teacher_selected']:.3f}, "
            f"student {results['student_selected']:.3f}"
        )
    return results


def skipped(found):
    """Print which images could not be read, and return them.

    Args:
        found: Dict from the name of a part to a dict from image to reason.

    Returns:
        Dict for `run.json`, empty where all images could be read.

    Example:
        >>> skipped({"images": {"a": "a.png cannot be read"}})
        1 images could not be read and were skipped:
          images: a.png cannot be read
        {'skipped': {'images': {'a': 'a.png cannot be read'}}}
    """
    count = sum(map(len, found.values()))
    if not count:
        return {}
    print(f"{count} images could not be read and were skipped:")
    for name, bad in found.items():
        print("\n".join(f"  {name}: {reason}" for reason in bad.values()))
    return {"skipped": found}


def rounded(iou):
    """Return the IoU of each class as JSON has it.

    Args:
        iou: Numbers; NaN where a class is not there.

    Returns:
        List of numbers and `None`.

    Example:
        >>> rounded([0.123456, float("nan")])
        [0.1235, None]
    """
    return [None if np.isnan(value) else round(float(value), 4) for value in iou]
