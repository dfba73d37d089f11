"""Metrics of Keras over label maps with ignored pixels."""

from collections.abc import Collection
from typing import Any

import keras
from keras import ops

from keras_imas.arguments import as_tensor, check_channels, is_of_keras
from keras_imas.label_maps import as_label_maps, pixel_weights
from keras_imas.metrics.mean_iou import MeanIoU
from keras_imas.typing import ArrayLike

# What each compares with what.
_KNOWN = {
    keras.metrics.SparseCategoricalAccuracy: ("ids", "logits"),
    keras.metrics.SparseTopKCategoricalAccuracy: ("ids", "logits"),
    keras.metrics.SparseCategoricalCrossentropy: ("ids", "logits"),
    keras.metrics.CategoricalAccuracy: ("one-hot", "logits"),
    keras.metrics.TopKCategoricalAccuracy: ("one-hot", "logits"),
    keras.metrics.CategoricalCrossentropy: ("one-hot", "logits"),
    keras.metrics.F1Score: ("one-hot", "probabilities"),
    keras.metrics.FBetaScore: ("one-hot", "probabilities"),
    keras.metrics.MeanIoU: ("ids", "logits"),
    keras.metrics.IoU: ("ids", "logits"),
    MeanIoU: ("ids", "logits"),
}


def metrics_over_label_maps(
    metrics: Any, ignore_class: int | None = 255, taken: Collection[str] = ()
) -> Any:
    """Return metrics that read label maps and leave out ignored pixels.

    Args:
        metrics: `metrics` or `weighted_metrics` as `keras.Model.compile` takes them.
            Metrics of Keras, or their names, must compare classes; your own are
            returned as they are: they get the label maps with their ignored pixels.
        ignore_class: The label of pixels that don't count. Defaults to `255`.
        taken: Names that no metric may have. Defaults to none.

    Returns:
        The same structure, of `keras.metrics.Metric` and your own functions.

    Raises:
        ValueError: If a metric of Keras does not compare classes, takes probabilities
            or class ids where the network gives logits, or its own `ignore_class` is
            another one; or if a name is taken.

    Example:
        >>> [metric] = metrics_over_label_maps(["accuracy"])
        >>> logits = ops.one_hot(ops.array([[[0, 1, 1]]]), 2)
        >>> metric.update_state(ops.array([[[0, 1, 255]]]), logits)
        >>> metric.name, float(metric.result())
        ('accuracy', 1.0)
    """
    if metrics is None:
        return None
    if isinstance(metrics, dict):
        return {
            name: metrics_over_label_maps(metric, ignore_class, taken)
            for name, metric in metrics.items()
        }
    if isinstance(metrics, list | tuple):
        return [metrics_over_label_maps(m, ignore_class, taken) for m in metrics]
    metric = metrics
    if isinstance(metric, str) and metric.lower() in ("accuracy", "acc"):
        metric = keras.metrics.SparseCategoricalAccuracy(name=metric)
    metric = keras.metrics.get(metric)
    name = getattr(metric, "name", None) or getattr(metric, "__name__", None)
    if name in taken:
        raise ValueError(
            f"A log of the training has the name of the metric {name!r}. Name the "
            "metric otherwise"
        )
    own = getattr(metric, "ignore_class", None)
    if own is not None and own != ignore_class:
        raise ValueError(
            "`ignore_class` of a metric must be the model's. Received: "
            f"ignore_class={own} of {metric.name!r}, and {ignore_class} of the model"
        )
    if own is not None and type(metric) is MeanIoU:
        return metric
    if type(metric) is not MeanIoU and not is_of_keras(metric):
        return metric
    return KerasMetric(metric, ignore_class=ignore_class)


def build_metrics(compile_metrics: Any, labels: Any, logits: Any) -> None:
    """Make the variables of all metrics of `compile` before they see a batch.

    Training does not update them, and Keras asks each for its result.

    Args:
        compile_metrics: Keras' `CompileMetrics`, or `None`: there are no metrics.
        labels: Label maps.
        logits: Logits `(B, H, W, C)`.
    """
    if compile_metrics is None or compile_metrics.built:
        return
    compile_metrics.build(labels, logits)
    for metric in compile_metrics.metrics:
        if isinstance(metric, KerasMetric):
            metric.build(logits.shape[-1])


@keras.saving.register_keras_serializable(package="keras_imas")
class KerasMetric(keras.metrics.Metric):
    """A metric of Keras over label maps, in which ignored pixels have no weight.

    Args:
        metric: The metric, `keras.metrics.F1Score(average="macro")` for one.
        ignore_class: The label of pixels that don't count. `None`: all count. Defaults
            to `255`.

    Raises:
        ValueError: See `metrics_over_label_maps`.

    Example:
        >>> metric = KerasMetric(keras.metrics.F1Score(average="macro"))
        >>> logits = ops.one_hot(ops.array([[[0, 1, 1]]]), 2)
        >>> metric.update_state(ops.array([[[0, 1, 255]]]), logits)
        >>> round(float(metric.result()), 4)
        1.0
    """

    def __init__(
        self,
        metric: keras.metrics.Metric,
        ignore_class: int | None = 255,
        name: str | None = None,
    ) -> None:
        kind = type(metric)
        what = getattr(metric, "__name__", kind.__name__)
        if kind not in _KNOWN:
            raise ValueError(
                "`metrics` must compare logits with the classes of pixels, integer "
                "label maps: keras_imas.metrics.MeanIoU(num_classes=..., "
                f"ignore_class={ignore_class}), "
                f"{', '.join(sorted({known.__name__ for known in _KNOWN}))}. "
                f"Received: {what}"
            )
        config = metric.get_config()
        if config.get("sparse_y_pred") or not config.get("sparse_y_true", True):
            raise ValueError(
                f"`metrics` must take logits and label maps. Received: {what} with "
                f"sparse_y_true={config['sparse_y_true']}, "
                f"sparse_y_pred={config['sparse_y_pred']}. Take "
                "keras_imas.metrics.MeanIoU, or pass `sparse_y_pred=False`"
            )
        if not config.get("from_logits", True):
            raise ValueError(
                "`metrics` must take logits: the network has no softmax at its end. "
                f"Received: {what} with from_logits=False. Pass `from_logits=True`"
            )
        if ignore_class in getattr(metric, "target_class_ids", ()):
            raise _counts_it(metric, ignore_class)
        super().__init__(name=name or metric.name)
        self.metric = metric
        self.ignore_class = ignore_class
        if hasattr(metric, "_direction"):  # for callbacks with mode="auto"
            self._direction = metric._direction

    def build(self, num_classes: int) -> None:
        """Make the metric's variables, which some make with the first batch.

        Args:
            num_classes: Number of classes.
        """
        if not getattr(self.metric, "_built", True):
            self.metric._build((None, num_classes), (None, num_classes))

    def update_state(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> Any:
        """Add a batch.

        Args:
            y_true: Label maps, integers `(B, H, W)` or `(B, H, W, 1)`.
            y_pred: Logits `(B, H, W, C)`.
            sample_weight: `(B,)` or `(B, H, W)`. Defaults to `None`: all weigh 1.

        Raises:
            ValueError: If `ignore_class` is one of the classes that it averages.
        """
        logits = ops.cast(as_tensor(y_pred), "float32")
        classes = logits.shape[-1]
        check_channels("y_pred", classes)
        # Of all classes, and how many there are is known here first.
        of_all = getattr(self.metric, "average", "") in (None, "macro")
        if of_all and self.ignore_class in range(classes):
            raise _counts_it(self.metric, self.ignore_class)
        labels = as_label_maps(y_true, logits.shape[:-1])
        weights = pixel_weights(sample_weight, labels)
        if sample_weight is None:  # as integers, which metrics that count want
            weights = ops.cast(weights, "int32")
        if self.ignore_class is not None:
            valid = ops.not_equal(labels, self.ignore_class)
            labels = ops.where(valid, labels, 0)
            weights = ops.where(valid, weights, ops.zeros_like(weights))
        target, prediction = _KNOWN[type(self.metric)]
        labels, logits = ops.reshape(labels, (-1,)), ops.reshape(logits, (-1, classes))
        if target == "one-hot":
            labels = ops.one_hot(labels, classes, dtype="float32")
        if prediction != "logits":
            logits = ops.softmax(logits, axis=-1)
        self.metric.update_state(labels, logits, ops.reshape(weights, (-1,)))

    def reset_state(self) -> None:
        """Forget all batches."""
        self.metric.reset_state()

    def result(self) -> Any:
        """Return the metric's result."""
        return self.metric.result()

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {
            "metric": keras.saving.serialize_keras_object(self.metric),
            "ignore_class": self.ignore_class,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "KerasMetric":
        """Create the metric from what `get_config` returned.

        Args:
            config: The dict.

        Returns:
            A `KerasMetric`.
        """
        metric = keras.saving.deserialize_keras_object(config["metric"])
        return cls(**{**config, "metric": metric})


def _counts_it(metric, ignore_class):
    return ValueError(
        f"`metrics` must leave out ignore_class={ignore_class}, which "
        f"{type(metric).__name__} counts as a class. Take "
        f"keras_imas.metrics.MeanIoU(ignore_class={ignore_class})"
    )
