"""The passes that a training step can't do without."""

import keras
from keras import ops

from keras_imas.models.logits import resize_logits, run_network


class Floor(keras.Model):
    """The passes of a step: a supervised one over all views, and two that score.

    Args:
        student: The network.
        teacher: Another like it.
        labeled: Number of labeled images, the first of the batch.
        scoring: Whether to run the two inference passes.
    """

    def __init__(self, student, teacher, labeled, scoring):
        super().__init__()
        self.student, self.teacher, self.scoring = student, teacher, scoring
        self.labeled = labeled
        self.teacher.trainable = False
        self.built = True

    def call(self, inputs, training=None):
        """Run all passes.

        Args:
            inputs: Dict of `"images"`, all views, and `"unlabeled"`, those to score.
            training: As in Keras.

        Returns:
            Dict of the logits to train on and the scores.
        """
        images = inputs["images"]
        labeled = images[: self.labeled]
        main, *others = run_network(self.student, images, training=training)
        logits = [resize_logits(main, images)]
        for output in others:
            logits.append(resize_logits(output[: self.labeled], labeled))
        scores = ()
        if self.scoring:
            scores = [
                run_network(network, inputs["unlabeled"])[0]
                for network in (self.student, self.teacher)
            ]
        return {"logits": logits, "scores": [ops.stop_gradient(s) for s in scores]}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **_):
        """Return the supervised loss.

        Args:
            x: Not used.
            y: Label maps of all views.
            y_pred: What `call` returned.
            sample_weight: Not used.

        Returns:
            Scalar tensor.
        """
        main, *others = y_pred["logits"]
        loss = super().compute_loss(x, y, main)
        for logits in others:
            loss = loss + 0.4 * self._compile_loss(y[: self.labeled], logits)
        for scores in y_pred["scores"]:  # so that no compiler leaves them out
            loss = loss + 1e-30 * ops.cast(ops.sum(scores), "float32")
        return loss
