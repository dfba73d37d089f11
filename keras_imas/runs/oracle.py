"""Training with the true labels in place of pseudo labels."""

from keras import ops

from keras_imas.imas import IMAS


class Oracle(IMAS):
    """iMAS whose pseudo labels are right and sure: what pseudo labels can give at most.

    All else is as in `IMAS`. Hardness tells by how much the student is wrong. Pixels of
    `ignore_class` count as padding.

    Args:
        *args: See `keras_imas.IMAS`. `fit` takes batches of `keras_imas.data` with
            `unlabeled_labels=True`.
        **kwargs: See `keras_imas.IMAS`.

    Example:
        >>> import keras
        >>> layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
        >>> Oracle(keras.Sequential(layers), ignore_class=9).ignore_class
        9
    """

    def call(self, inputs, training=None):
        """Return what a batch's loss needs, see `IMAS`.

        Args:
            inputs: See `IMAS`.
            training: See `IMAS`. Defaults to `None`.
        """
        if isinstance(inputs, dict):
            known = inputs["unlabeled_label_map"] != self.ignore_class
            valid = inputs["unlabeled_valid"] * ops.cast(known, "float32")
            inputs = {**inputs, "unlabeled_valid": valid}
        return super().call(inputs, training)

    def _pseudo_labels(self, inputs, weak):
        labels = ops.cast(inputs["unlabeled_label_map"], "int32")
        labels = ops.where(labels == self.ignore_class, 0, labels)
        return labels, ops.ones_like(labels, "float32")
