"""Evaluation: predictions beside label maps."""

import collections
import csv
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_imas.arguments import check_channels
from keras_imas.backends.compiled import compiled
from keras_imas.backends.formulations import faster
from keras_imas.backends.host import read_later
from keras_imas.files.csv_text import to_cell
from keras_imas.files.user_path import user_path
from keras_imas.label_maps import check_integers, has_channel_axis
from keras_imas.metrics import iou_per_class
from keras_imas.progress import Progress
from keras_imas.typing import ArrayLike, Batches, StrPath, Verbose


class ConfusionMatrix:
    """Count which class pixels have, and which is predicted for them.

    Args:
        num_classes: Number of classes C, 2 or more.
        ignore_class: Label of pixels that don't count; may be one of the classes,
            which then has no IoU. `None`: all count. Defaults to `255`.

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

    def __init__(self, num_classes: int, ignore_class: int | None = 255) -> None:
        check_channels("num_classes", num_classes)
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        self.counts = np.zeros((num_classes, num_classes), "int64")

    def update(self, label_map: ArrayLike, predicted: ArrayLike) -> None:
        """Count the pixels of an image.

        Args:
            label_map: Integers `(H, W)` or `(H, W, 1)`.
            predicted: Predicted classes, integers `(H, W)`.

        Raises:
            ValueError: If labels are no integers or one-hot, a label is neither a
                class nor `ignore_class`, a prediction is no class, or the shapes
                differ.
        """
        predicted = np.asarray(predicted)
        labels = self._counted(label_map, predicted.shape)
        wrong = (predicted < 0) | (predicted >= self.num_classes)
        if wrong.any():
            raise ValueError(
                f"`predicted` must be in [0, {self.num_classes}), as `num_classes` has "
                f"it. Received: {predicted[wrong][0]}"
            )
        valid = labels >= 0
        pairs = labels[valid] * self.num_classes + predicted[valid].astype("int32")
        counts = np.bincount(pairs, minlength=self.num_classes**2)
        self.counts += counts.reshape(self.counts.shape)

    def _counted(self, label_map, shape):
        """Return a label map with -1 for pixels that don't count, int32."""
        label_map = np.asarray(label_map)
        check_integers("label_map", label_map)
        if has_channel_axis("label_map", label_map, shape):
            label_map = label_map[..., 0]
        valid = np.True_
        if self.ignore_class is not None:
            valid = label_map != self.ignore_class
        bad = valid & ((label_map < 0) | (label_map >= self.num_classes))
        if bad.any():
            raise ValueError(
                f"`label_map` must hold classes, in [0, {self.num_classes}), and "
                f"`ignore_class`, {self.ignore_class}. Received: {label_map[bad][0]}"
            )
        # In int32 first, as in the unsigned ones of files -1 would be 255.
        return np.where(valid, label_map.astype("int32"), -1)

    @property
    def iou(self) -> np.ndarray:
        """Intersection over union of each class, `(C,)`; NaN where it never occurs."""
        return iou_per_class(self.counts, self.ignore_class)

    @property
    def labeled(self) -> np.ndarray:
        """Which classes the label maps hold, bool `(C,)`."""
        return self.counts.sum(axis=1) > 0

    @property
    def mean_iou(self) -> float:
        """Mean of the IoU of the classes that occur in labels or predictions."""
        return _mean(self.iou)

    @property
    def mean_iou_labeled(self) -> float:
        """Mean of the IoU of the classes that the label maps hold."""
        return _mean(self.iou[self.labeled])

    @property
    def pixel_accuracy(self) -> float:
        """Share of the pixels whose class is predicted."""
        total = self.counts.sum()
        return float(np.trace(self.counts) / total) if total else float("nan")

    def save_csv(self, filepath: StrPath, class_names: Sequence[str]) -> None:
        """Write the counts as a table, with the classes' names.

        Args:
            filepath: Where to write; rows are classes, columns predictions.
            class_names: C names.
        """
        names = [to_cell(name) for name in class_names]
        path = user_path(filepath)
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["class \\ predicted", *names])
            for name, row in zip(names, self.counts.tolist(), strict=True):
                writer.writerow([name, *row])


def evaluate(
    predictor: Callable,
    data: Batches,
    num_classes: int,
    *,
    ignore_class: int | None = 255,
    verbose: Verbose = 0,
) -> tuple[ConfusionMatrix, float]:
    """Compare what a network predicts with label maps.

    Args:
        predictor: `keras_imas.inference.Predictor`, or a function from an iterable of
            images to one of probabilities.
        data: Batches of `(images, label_maps)`, such as
            `keras_imas.data.evaluation` returns.
        num_classes: Number of classes C.
        ignore_class: Label of pixels that don't count. Defaults to `255`.
        verbose: See `keras_imas.progress.progress_style`. Defaults to `0`.

    Returns:
        `(confusion, loss)`: a `ConfusionMatrix`, and the mean cross-entropy of the
        pixels that count; NaN where none does.

    Raises:
        ValueError: If there are no data, such as in an iterator that was read before,
            they have weights, they or the network don't fit `num_classes`, or the
            network returns NaN.

    Example:
        >>> from keras_imas.inference.predictor import Predictor
        >>> layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(2, 1)]
        >>> batches = [(np.zeros((1, 4, 5, 3)), np.zeros((1, 4, 5), int))]
        >>> confusion, loss = evaluate(Predictor(keras.Sequential(layers)), batches, 2)
        >>> confusion.mean_iou, round(loss, 4)
        (1.0, 0.6931)
    """
    label_maps = collections.deque()

    def images():
        for batch in _batches(data):
            pixels, labels, weights = keras.utils.unpack_x_y_sample_weight(batch)
            if weights is not None:
                raise ValueError(
                    "`data` must hold (images, label_maps). Received: weights too. "
                    "Give pixels that should not count the label `ignore_class`"
                )
            for image, label_map in zip(
                np.asarray(pixels), np.asarray(labels), strict=True
            ):
                label_maps.append(label_map)
                yield image
            progress.add()

    progress = Progress(_count(data), "batch", "Evaluated", verbose=verbose)
    confusion = ConfusionMatrix(num_classes, ignore_class)
    loss, number = 0.0, -1
    for number, read in enumerate(
        _one_behind(_compared(predictor, images(), label_maps, confusion))
    ):
        counts, losses = read()
        if np.isnan(losses).any():
            raise ValueError(
                f"The network returns NaN for image {number} of the data, counted from "
                "0. Its weights are not finite, or float16 overflows: look at the "
                "training's loss, or take mixed_bfloat16"
            )
        confusion.counts += counts
        loss += losses.sum(dtype="float64")
    if number < 0:
        raise ValueError(
            "`data` holds no images. It is read several times: pass a dataset, not an "
            "iterator"
        )
    pixels = confusion.counts.sum()
    return confusion, float(loss / pixels) if pixels else float("nan")


def _compared(predictor, images, label_maps, confusion):
    """Yield for each image a function that returns its counts and losses."""
    for probabilities, size in _predicted(predictor, images):
        if probabilities.shape[-1] != confusion.num_classes:
            raise ValueError(
                "`num_classes` must be the number of the network's classes. Received: "
                f"num_classes={confusion.num_classes}, and a network of "
                f"{probabilities.shape[-1]} classes"
            )
        labels = confusion._counted(label_maps.popleft(), size)
        padding = [
            (0, whole - side)
            for whole, side in zip(probabilities.shape[:2], size, strict=True)
        ]
        labels = np.pad(labels, padding, constant_values=-1)
        counts, losses = _compare(probabilities, ops.convert_to_tensor(labels))
        counts, losses = read_later(counts), read_later(losses)
        yield lambda counts=counts, losses=losses: (counts(), losses())


def _predicted(predictor, images):
    """Yield the probabilities of images as tensors, and the images' sizes."""
    if hasattr(predictor, "on_device"):
        yield from predictor.on_device(images)
        return
    for probabilities in predictor(images):
        yield ops.convert_to_tensor(probabilities), probabilities.shape[:2]


@functools.partial(compiled, xla=True)
def _compare(probabilities, labels):
    """Count pixels by label and prediction, and add up the cross-entropy of each row.

    Args:
        probabilities: float32 tensor `(H, W, C)`.
        labels: int32 tensor `(H, W)`; -1 does not count.

    Returns:
        int32 tensor `(C, C)` and float32 tensor `(H,)`.
    """
    classes = probabilities.shape[-1]
    counted = labels >= 0
    predicted = ops.cast(ops.argmax(probabilities, axis=-1), "int32")
    pairs = ops.where(counted, labels * classes + predicted, classes**2)
    pairs = ops.reshape(pairs, (-1,))
    segment_sum = faster("segment_sum") or ops.segment_sum
    counts = segment_sum(ops.ones_like(pairs), pairs, num_segments=classes**2 + 1)
    places = ops.arange(pairs.shape[0], dtype="int32") * classes
    places = places + ops.reshape(ops.maximum(labels, 0), (-1,))
    true = ops.reshape(ops.take(probabilities, places), labels.shape)
    # Not `maximum`, which may pass over NaN.
    likely = ops.where(true < 1e-7, 1e-7, true)
    losses = ops.sum(ops.where(counted, -ops.log(likely), 0.0), axis=-1)
    return ops.reshape(counts[:-1], (classes, classes)), losses


def _one_behind(items):
    """Yield items, each after the next is made: reading the one waits for no other."""
    before = None
    for item in items:
        if before is not None:
            yield before
        before = item
    if before is not None:
        yield before


def distinct_names(class_names: Sequence[str]) -> list[str]:
    """Tell classes of the same name apart by their ids.

    Args:
        class_names: C names.

    Returns:
        C names; one that several classes have is followed by the class id.

    Example:
        >>> distinct_names(["N/A", "road", "N/A"])
        ['N/A (0)', 'road', 'N/A (2)']
    """
    names = list(class_names)
    return [
        f"{name} ({number})" if names.count(name) > 1 else name
        for number, name in enumerate(names)
    ]


def by_class(class_names: Sequence[str], values: Iterable) -> dict[str, Any]:
    """Key values by the names of their classes, and keep all where names repeat.

    Args:
        class_names: C names.
        values: C values.

    Returns:
        Dict from name, as of `distinct_names`, to value.

    Example:
        >>> by_class(["N/A", "road", "N/A"], [1, 2, 3])
        {'N/A (0)': 1, 'road': 2, 'N/A (2)': 3}
    """
    return dict(zip(distinct_names(class_names), values, strict=True))


def remarks(confusion: ConfusionMatrix, class_names: Sequence[str]) -> list[str]:
    """Tell what a mean IoU leaves unsaid.

    Args:
        confusion: `ConfusionMatrix`.
        class_names: C names.

    Returns:
        List of sentences: that no pixel has a label, or those of one class alone; which
        classes are predicted, but in no label map, and the mean without them.

    Example:
        >>> confusion = ConfusionMatrix(3)
        >>> confusion.update([[0, 0, 1, 1]], [[0, 0, 2, 1]])
        >>> for sentence in remarks(confusion, ["sky", "road", "car"]):
        ...     print(sentence)
        Predicted, but in no label map: car. The mean IoU takes it as 0; without, 0.750.
    """
    labeled = confusion.labeled
    if not labeled.any():
        return ["No pixel has a label, so no IoU is known."]
    said = []
    if labeled.sum() == 1:
        name = class_names[int(labeled.argmax())]
        said.append(
            f"All labeled pixels are {name}: an IoU over one class does not tell "
            "whether classes are told apart."
        )
    known = ~np.isnan(confusion.iou) & ~labeled
    absent = [class_names[int(number)] for number in np.flatnonzero(known)]
    if absent:
        said.append(
            f"Predicted, but in no label map: {', '.join(absent)}. The mean IoU takes "
            f"{'it' if len(absent) == 1 else 'them'} as 0; without, "
            f"{confusion.mean_iou_labeled:.3f}."
        )
    return said


def _mean(iou):
    return float(np.nanmean(iou)) if np.isfinite(iou).any() else float("nan")


def _batches(data):
    if isinstance(data, keras.utils.PyDataset) and not hasattr(data, "__iter__"):
        return (data[index] for index in range(len(data)))
    return data


def _count(data):
    try:
        return len(data)
    except TypeError:  # it is not known
        return None
