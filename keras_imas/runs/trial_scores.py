"""How good the networks of a study's trial are, read in each of its ways."""

import keras
import numpy as np

from keras_imas import evaluation
from keras_imas.inference.predictor import Predictor


class TrialScores(keras.callbacks.Callback):
    """Evaluate the teacher near the end; at the end also the student, all readings.

    Args:
        parts: Dict from kind of images to what `keras_imas.data.evaluation` returns.
        readings: Dict of dicts, the `[readings.NAME]` of a study; the first counts.
        epochs: Set of epochs, from 1, after which to evaluate.
        num_classes: Number of classes.
        ignore_class: Label of pixels that don't count.

    Attributes:
        found: List of dicts: "epoch", "network", "reading", "images"; "mean_iou", over
            the classes that the label maps hold; and "iou" of all classes, `None` for
            one in neither label maps nor predictions.
    """

    def __init__(self, parts, readings, epochs, num_classes, ignore_class):
        super().__init__()
        self.parts, self.readings, self.epochs = parts, readings, epochs
        self.num_classes, self.ignore_class = num_classes, ignore_class
        self.found = []

    def on_train_begin(self, logs=None):
        """Make what reads images with each network in each way."""
        self.predictors = {
            (network, reading): predictor(getattr(self.model, network), options)
            for reading, options in self.readings.items()
            for network in ("teacher", "student")
        }

    def on_epoch_end(self, epoch, logs=None):
        """Evaluate, where it is one of the epochs."""
        if epoch + 1 not in self.epochs:
            return
        last = epoch + 1 == self.params["epochs"]
        first, *others = self.readings
        for reading in [first, *others] if last else [first]:
            self._evaluate("teacher", epoch, reading)
        if last:
            self._evaluate("student", epoch, first)

    def _evaluate(self, network, epoch, reading):
        reader = self.predictors[network, reading]
        for name, part in self.parts.items():
            confusion, _ = evaluation.evaluate(
                reader, part, self.num_classes, ignore_class=self.ignore_class
            )
            mean_iou = confusion.mean_iou_labeled
            print(
                f"epoch {epoch + 1}: mIoU {mean_iou:.4f} of the {network}, "
                f"{name} images, read {reading}",
                flush=True,
            )
            self.found.append(
                {
                    "epoch": epoch + 1,
                    "network": network,
                    "reading": reading,
                    "images": name,
                    "mean_iou": mean_iou,
                    "iou": [None if np.isnan(x) else float(x) for x in confusion.iou],
                }
            )


def predictor(network, reading):
    """Return what reads images as a reading of a study says.

    Args:
        network: Built Keras model from images to logits.
        reading: Dict, one of the file's `[readings.NAME]`.

    Returns:
        `keras_imas.inference.predictor.Predictor`.

    Example:
        >>> layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(5, 1)]
        >>> predictor(keras.Sequential(layers), {"window": 33, "scale": 1.25}).scales
        (1.25,)
    """
    options = {k: v for k, v in reading.items() if k != "scale"}
    return Predictor(network, **options, scales=(reading.get("scale", 1.0),))
