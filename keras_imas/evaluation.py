"""Evaluation: predictions beside label maps."""

import csv

import keras
import numpy as np

from keras_imas.csv_text import to_cell
from keras_imas.metrics import iou_per_class


class ConfusionMatrix:
    """Count which class pixels have, and which is predicted for them.

    Args:
        num_classes: Number of classes C.
        ignore_class: Label of pixels that don't count. Defaults to `255`.

    Attributes:
        counts: int64 array `(C, C)`: pixels by class (rows) and prediction (columns).

    Example:
        >>> confusion = ConfusionMatrix(3)
        >>> confusion.update([[0, 0, 1, 255]], [[0, 1, 1, 1]])
        >>> confusion.counts.tolist()
        [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
        >>> confusion.iou.tolist(), confusion.mean_iou
        ([0.5, 0.5, nan], 0.5)
    """

    def __init__(self, num_classes, ignore_class=255):
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        self.counts = np.zeros((num_classes, num_classes), "int64")

    def update(self, label_map, predicted):
        """Count the pixels of an image.

        Args:
            label_map: Integers `(H, W)`.
            predicted: Predicted classes, integers `(H, W)`.

        Raises:
            ValueError: If a label is neither a class nor `ignore_class`, a prediction
                is no class, or the shapes differ.
        """
        labels, predicted = np.asarray(label_map), np.asarray(predicted)
        if labels.shape != predicted.shape:
            raise ValueError(
                "`label_map` and `predicted` must have one shape. Received: "
                f"{labels.shape} and {predicted.shape}"
            )
        if predicted.size and predicted.max() >= self.num_classes:
            raise ValueError(
                f"`predicted` must be in [0, {self.num_classes}), as `num_classes` has "
                f"it. Received: {predicted.max()}"
            )
        valid = labels != self.ignore_class
        labels = labels[valid].astype("int64")
        if labels.size and not 0 <= labels.min() <= labels.max() < self.num_classes:
            bad = labels[(labels < 0) | (labels >= self.num_classes)][0]
            raise ValueError(
                f"`label_map` must hold classes, in [0, {self.num_classes}), and "
                f"`ignore_class`, {self.ignore_class}. Received: {bad}"
            )
        pairs = labels * self.num_classes + predicted[valid].astype("int64")
        counts = np.bincount(pairs, minlength=self.num_classes**2)
        self.counts += counts.reshape(self.counts.shape)

    @property
    def iou(self):
        """Intersection over union of each class, `(C,)`; NaN where it never occurs."""
        return iou_per_class(self.counts)

    @property
    def mean_iou(self):
        """Mean of the IoU of the classes that occur in labels or predictions."""
        iou = self.iou
        return float(np.nanmean(iou)) if np.isfinite(iou).any() else float("nan")

    @property
    def pixel_accuracy(self):
        """Share of the pixels whose class is predicted."""
        total = self.counts.sum()
        return float(np.trace(self.counts) / total) if total else float("nan")

    def save_csv(self, filepath, class_names):
        """Write the counts as a table, with the classes' names.

        Args:
            filepath: Where to write; rows are classes, columns predictions.
            class_names: C names.
        """
        names = [to_cell(name) for name in class_names]
        with open(filepath, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["class \\ predicted", *names])
            for name, row in zip(names, self.counts.tolist(), strict=True):
                writer.writerow([name, *row])


def evaluate(predictor, data, num_classes, *, ignore_class=255, verbose=0):
    """Compare what a network predicts with label maps.

    Args:
        predictor: `keras_imas.inference.Predictor`, or a function from an iterable of
            images to one of probabilities.
        data: Batches of `(images, label_maps)`, such as
            `keras_imas.data.evaluation` returns.
        num_classes: Number of classes C.
        ignore_class: Label of pixels that don't count. Defaults to `255`.
        verbose: 1 or `"auto"` for a progress bar. Defaults to `0`.

    Returns:
        `(confusion, loss)`: a `ConfusionMatrix`, and the mean cross-entropy of the
        pixels that count.

    Raises:
        ValueError: If there are no data, such as in an iterator that was read before,
            or they or the network don't fit `num_classes`.

    Example:
        >>> from keras_imas.inference.predictor import Predictor
        >>> layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(2, 1)]
        >>> batches = [(np.zeros((1, 4, 5, 3)), np.zeros((1, 4, 5), int))]
        >>> confusion, loss = evaluate(Predictor(keras.Sequential(layers)), batches, 2)
        >>> confusion.mean_iou, round(loss, 4)
        (1.0, 0.6931)
    """
    label_maps = []

    def images():
        for batch in _batches(data):
            for image, label_map in zip(*map(np.asarray, batch[:2]), strict=True):
                label_maps.append(label_map)
                yield image
            if bar:
                bar.add(1)

    bar = None
    if verbose in (1, "auto"):
        bar = keras.utils.Progbar(_count(data), unit_name="batch")
    confusion = ConfusionMatrix(num_classes, ignore_class)
    probabilities, loss = None, 0.0
    for probabilities in predictor(images()):
        if probabilities.shape[-1] != num_classes:
            raise ValueError(
                "`num_classes` must be the number of the network's classes. Received: "
                f"num_classes={num_classes}, and a network of "
                f"{probabilities.shape[-1]} classes"
            )
        label_map = label_maps.pop(0)
        confusion.update(label_map, probabilities.argmax(axis=-1))
        valid = label_map != ignore_class
        labels = np.where(valid, label_map, 0).astype("int64")
        true = np.take_along_axis(probabilities, labels[..., None], axis=-1)[valid]
        loss -= np.log(np.maximum(true, 1e-7)).sum(dtype="float64")
    if probabilities is None:
        raise ValueError(
            "`data` holds no images. It is read several times: pass a dataset, not an "
            "iterator"
        )
    return confusion, float(loss / max(confusion.counts.sum(), 1))


def by_class(class_names, values):
    """Key values by the names of their classes, and keep all where names repeat.

    Args:
        class_names: C names.
        values: C values.

    Returns:
        Dict from name to value; a name that several classes have is followed by the
        class id.

    Example:
        >>> by_class(["N/A", "road", "N/A"], [1, 2, 3])
        {'N/A (0)': 1, 'road': 2, 'N/A (2)': 3}
    """
    names = list(class_names)
    keys = [
        f"{name} ({number})" if names.count(name) > 1 else name
        for number, name in enumerate(names)
    ]
    return dict(zip(keys, values, strict=True))


def _batches(data):
    if isinstance(data, keras.utils.PyDataset):
        return (data[index] for index in range(len(data)))
    return data


def _count(data):
    try:
        return len(data)
    except TypeError:  # it is not known
        return None
