"""Losses of Keras over label maps with ignored pixels."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_imas.arguments import is_of_keras
from keras_imas.losses.crossentropy import Crossentropy
from keras_imas.losses.label_map_loss import LabelMapLoss
from keras_imas.typing import ArrayLike, Tensor

# What each compares with what: ids or one-hot labels, logits or probabilities.
_BY_PIXEL = {
    keras.losses.SparseCategoricalCrossentropy: ("ids", "logits"),
    keras.losses.CategoricalCrossentropy: ("one-hot", "logits"),
    keras.losses.CategoricalFocalCrossentropy: ("one-hot", "logits"),
    keras.losses.CategoricalGeneralizedCrossEntropy: ("ids", "probabilities"),
}
_BY_REGION = (keras.losses.Dice, keras.losses.Tversky)
_CLASSES = {
    keras.losses.sparse_categorical_crossentropy: (
        keras.losses.SparseCategoricalCrossentropy
    ),
    keras.losses.categorical_crossentropy: keras.losses.CategoricalCrossentropy,
    keras.losses.categorical_focal_crossentropy: (
        keras.losses.CategoricalFocalCrossentropy
    ),
    keras.losses.dice: keras.losses.Dice,
    keras.losses.tversky: keras.losses.Tversky,
}


def loss_over_label_maps(
    loss: str | Callable | None, ignore_class: int | None = 255
) -> Callable:
    """Return a loss that reads label maps and leaves out ignored pixels.

    Args:
        loss: A loss of `keras_imas.losses`; a loss of Keras, or its name, that compares
            classes; or your own, which is returned as it is: it gets the label maps as
            they are, with their ignored pixels. `None`: `Crossentropy`.
        ignore_class: The label of pixels that don't count. Defaults to `255`.

    Returns:
        A `keras.losses.Loss`, or your own function.

    Raises:
        ValueError: If it is a loss of Keras that does not compare classes, takes
            probabilities (`from_logits=False`) or several losses, or its own
            `ignore_class` is another one.

    Example:
        >>> loss = loss_over_label_maps(keras.losses.Dice())
        >>> labels = ops.array([[[0, 1, 255]]])
        >>> round(float(loss(labels, 99.0 * ops.one_hot([[[0, 1, 0]]], 2))), 4)
        0.0
    """
    if isinstance(loss, dict | list | tuple):
        raise ValueError(
            "`loss` must be one loss: auxiliary outputs have the same as the main one. "
            f"Received: {loss!r}. Write a function that adds several"
        )
    if loss is None:
        return Crossentropy(ignore_class)
    if isinstance(loss, str) and loss.lower() in ("crossentropy", "ce"):
        loss = "sparse_categorical_crossentropy"  # as Keras takes it for label maps
    found = keras.losses.get(loss)
    if found in _CLASSES:
        found = _CLASSES[found]()
    if isinstance(found, keras.losses.Loss):
        _check_ignore_class(found, ignore_class)
    if isinstance(found, LabelMapLoss) or not is_of_keras(found):
        return found
    return KerasLoss(found, ignore_class=ignore_class)


def _check_ignore_class(loss, ignore_class):
    own = getattr(loss, "ignore_class", None)
    # Keras' losses need none of their own.
    if own != ignore_class and (own is not None or isinstance(loss, LabelMapLoss)):
        raise ValueError(
            "`ignore_class` of the loss must be the model's. Received: "
            f"ignore_class={own} of the loss, and {ignore_class} of the model"
        )


@keras.saving.register_keras_serializable(package="keras_imas")
class KerasLoss(LabelMapLoss):
    """A loss of Keras over label maps with ignored pixels.

    Losses of pixels (cross-entropy, sparse or not, focal, generalized) are averaged
    over the pixels that count. Dice and Tversky compare the softmax with the one-hot
    labels of these pixels, and take no `sample_weight`.

    Args:
        loss: The loss, `keras.losses.Dice()` for one.
        ignore_class: The label of pixels that don't count. `None`: all count. Defaults
            to `255`.

    Raises:
        ValueError: If it does not compare classes, or takes probabilities.

    Example:
        >>> focal = keras.losses.CategoricalFocalCrossentropy(from_logits=True)
        >>> logits = ops.zeros((1, 1, 2, 2))
        >>> round(float(KerasLoss(focal)(ops.array([[[1, 255]]]), logits)), 4)
        0.0433
    """

    def __init__(
        self,
        loss: keras.losses.Loss,
        ignore_class: int | None = 255,
        name: str | None = None,
    ) -> None:
        kind = type(loss)
        if kind not in _BY_PIXEL and kind not in _BY_REGION:
            named = [known.__name__ for known in (*_BY_PIXEL, *_BY_REGION)]
            raise ValueError(
                "`loss` must compare logits with the classes of pixels, integer label "
                f"maps: keras_imas.losses.Crossentropy, or Keras' {', '.join(named)}. "
                f"Received: {getattr(loss, '__name__', kind.__name__)}"
            )
        config = loss.get_config()
        if not config.get("from_logits", True):
            raise ValueError(
                "`loss` must take logits: the network has no softmax at its end. "
                f"Received: {kind.__name__} with from_logits=False, Keras' default. "
                f"Pass `keras.losses.{kind.__name__}(from_logits=True)`, or "
                "`keras_imas.losses.Crossentropy()`"
            )
        super().__init__(ignore_class, name=name or loss.name, reduction=loss.reduction)
        self.loss = loss

    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> Tensor:
        """Return the loss.

        Args:
            y_true: See `LabelMapLoss`.
            y_pred: See `LabelMapLoss`.
            sample_weight: See `LabelMapLoss`; not with Dice and Tversky.

        Returns:
            float32 scalar tensor.

        Raises:
            ValueError: See `LabelMapLoss`; or if there are weights that have no
                meaning.
        """
        if sample_weight is not None and isinstance(self.loss, _BY_REGION):
            raise ValueError(
                f"`sample_weight` has no meaning for {type(self.loss).__name__}, which "
                "compares regions. Give pixels that should not count the label "
                "`ignore_class`"
            )
        return super().__call__(y_true, y_pred, sample_weight)

    def losses(
        self, labels: Tensor, logits: Tensor, valid: Tensor, weights: Tensor
    ) -> Tensor:
        """Return the loss of each pixel, or of the regions.

        Args:
            labels: See `LabelMapLoss`.
            logits: See `LabelMapLoss`.
            valid: See `LabelMapLoss`.
            weights: See `LabelMapLoss`.

        Returns:
            float32 tensor, no scalar.
        """
        target, prediction = _BY_PIXEL.get(type(self.loss), ("one-hot", "softmax"))
        if target == "one-hot":
            labels = ops.one_hot(labels, logits.shape[-1], dtype="float32")
        if prediction != "logits":
            logits = ops.softmax(logits, axis=-1)
        if not isinstance(self.loss, _BY_REGION):
            return self.over_counted(self.loss.call(labels, logits), valid, weights)
        counted = ops.cast(valid, "float32")[..., None]
        loss = self.loss.call(labels * counted, logits * counted)
        axis = self.loss.axis
        # Regions without a pixel that counts don't count.
        seen = ops.max(ops.broadcast_to(counted, ops.shape(labels)), axis=axis)
        loss, seen = ops.reshape(loss, (-1,)), ops.reshape(seen, (-1,))
        return self.over_counted(loss, seen > 0.0, seen)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {
            "loss": keras.saving.serialize_keras_object(self.loss),
            "ignore_class": self.ignore_class,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "KerasLoss":
        """Create the loss from what `get_config` returned.

        Args:
            config: The dict.

        Returns:
            A `KerasLoss`.
        """
        loss = keras.saving.deserialize_keras_object(config["loss"])
        return cls(**{**config, "loss": loss})
