"""A student, and its exponential moving average as the teacher."""

import inspect
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_imas import batch
from keras_imas.arguments import check_fraction, check_not_negative
from keras_imas.backends.export import export_network
from keras_imas.backends.host import on_host
from keras_imas.batch_checks import (
    check_arrays,
    check_fit_options,
    check_label_map,
    known_labels,
    warn_of_image_range,
)
from keras_imas.losses.keras_loss import loss_over_label_maps
from keras_imas.metrics.keras_metric import build_metrics, metrics_over_label_maps
from keras_imas.models.check_student import check_student
from keras_imas.models.final_activation import check_returns_logits
from keras_imas.models.logits import segmenter
from keras_imas.models.precision import precision
from keras_imas.models.size_rule import size_rule
from keras_imas.teacher import ema_decay, teacher_of
from keras_imas.training.resilient_model import ResilientModel
from keras_imas.typing import StrPath, Tensor

_OBJECTS = ("student", "teacher", "unlabeled_weight")


class MeanTeacher(ResilientModel):
    """A model that trains a student, and predicts, evaluates and exports its teacher.

    A subclass says what a step is: `train_step`, `call` and `compute_loss`. See
    `keras_imas.IMAS` for the arguments.

    Attributes:
        student: Network that a step trains.
        teacher: Network of the same kind that follows the student.
    """

    def __init__(
        self,
        student: keras.Model,
        teacher: keras.Model | None = None,
        *,
        ema_decay: float = 0.996,
        ema_copy_steps: int = 0,
        supervised_only_steps: int = 0,
        ignore_class: int | None = 255,
        auxiliary_weight: float = 0.4,
        max_skipped_steps: int | None = 0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_student(student)
        kwargs.setdefault("dtype", precision(student))  # Keras scales float16's loss
        super().__init__(max_skipped_steps=max_skipped_steps, **kwargs)
        check_fraction("ema_decay", ema_decay)
        check_not_negative(
            ema_copy_steps=ema_copy_steps,
            supervised_only_steps=supervised_only_steps,
            auxiliary_weight=auxiliary_weight,
            max_skipped_steps=max_skipped_steps or 0,
        )
        if teacher is not None:
            check_returns_logits("teacher", teacher)
        self.student = student
        self.teacher = teacher_of(student, teacher)
        self.ema_decay = ema_decay
        self.ema_copy_steps = ema_copy_steps
        self.supervised_only_steps = supervised_only_steps
        self.ignore_class = ignore_class
        self.auxiliary_weight = auxiliary_weight
        self.seed = seed
        with on_host():
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    # The optimizer trains the student alone, whatever is said to be trainable. The
    # teacher stays an ordinary network, which is trainable when it is saved and loaded.

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """The student's trainable variables."""
        return self.student.trainable_variables

    @property
    def trainable_weights(self) -> list[keras.Variable]:
        """The student's trainable weights."""
        return self.student.trainable_weights

    @property
    def non_trainable_variables(self) -> list[keras.Variable]:
        """All other variables: the teacher's, batch statistics, counts."""
        return _without(self.variables, self.trainable_variables)

    @property
    def non_trainable_weights(self) -> list[keras.Variable]:
        """All other weights."""
        return _without(self.weights, self.trainable_weights)

    def teacher_decay(self) -> Tensor:
        """Return the decay of the teacher at this step, see `ema_decay`."""
        # It goes by updates of the student, as with the large batch.
        steps, warm_up = self.steps_per_update, self.supervised_only_steps
        return ema_decay(
            self.step // steps,
            max_decay=self.ema_decay,
            start_step=-(-warm_up // steps),
            copy_until=-(-(warm_up + self.ema_copy_steps) // steps),
        )

    def look_at_labels(
        self, labels: Any, logits: Any, sample_weight: Any = None, training: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Look in a step whether labels are classes.

        Args:
            labels: Label maps.
            logits: What is compared with them, `(B, H, W, C)`.
            sample_weight: Weights of the labels. Defaults to `None`.
            training: Whether it is a step of training, whose numbers are not looked at
                where `max_skipped_steps` is `None`. Defaults to `True`.

        Returns:
            `(labels, code)`: the label maps, with what is no class ignored; and what
            `keras_imas.training.health.Health.label_code` returns.
        """
        if training and self.max_skipped_steps is None:
            return labels, 0
        num_classes, ignore_class = logits.shape[-1], self.ignore_class
        code = self.health.label_code(labels, num_classes, ignore_class, sample_weight)
        return known_labels(labels, num_classes, ignore_class), code

    def evaluation_loss(
        self, x: Any, y: Any, logits: Any, sample_weight: Any, training: bool
    ) -> Tensor:
        """Return the loss of a step that evaluates.

        Args:
            x: The images.
            y: Label maps.
            logits: What `call` returned.
            sample_weight: Weights of the labels, or `None`.
            training: Whether it is a step of training, which is refused.

        Returns:
            Scalar tensor.

        Raises:
            ValueError: If it is a step of training.
        """
        if training:
            raise batch.not_a_batch(type(x).__name__)
        y, label_code = self.look_at_labels(y, logits, sample_weight, False)
        self.health.note_label(label_code)
        loss = self._compile_loss(y, logits, sample_weight)
        for own in self.teacher.losses:  # Keras would add the student's
            loss = loss + self._aggregate_additional_loss(ops.cast(own, "float32"))
        return loss

    def supervised_loss(self, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
        """Return the loss of the labeled images, and of the student's regularizers.

        Args:
            x: The batch's images.
            y: Label maps.
            y_pred: Dict of logits: `"labeled"`, and a list `"auxiliary"` if there are
                some, of which each weighs `auxiliary_weight`.
            sample_weight: Weights of the labels, or `None`.

        Returns:
            `(loss, code)`: scalar tensor; see `look_at_labels`.
        """
        y, label_code = self.look_at_labels(y, y_pred["labeled"], sample_weight)
        loss = super().compute_loss(x, y, y_pred["labeled"], sample_weight, True)
        for logits in y_pred.get("auxiliary", ()):
            auxiliary = self._compile_loss(y, logits, sample_weight)
            loss = loss + self.auxiliary_weight * auxiliary
        return loss, label_code

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "sgd",
        loss: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        **kwargs: Any,
    ) -> None:
        """Configure training, as `keras.Model.compile`.

        Args:
            optimizer: Optimizer of the student. Defaults to `"sgd"`.
            loss: Supervised loss on `(label_maps, logits)`, see
                `keras_imas.losses.loss_over_label_maps`. Defaults to `None`:
                cross-entropy over the pixels that are not `ignore_class`.
            metrics: See `keras.Model.compile`, and which metrics of Keras can be had
                `keras_imas.metrics.metrics_over_label_maps`. They update in
                evaluation only: over full-size logits they would cost more than the
                method. Defaults to `None`.
            weighted_metrics: As `metrics`, with `sample_weight`. Defaults to `None`.
            **kwargs: See `keras.Model.compile`.

        Raises:
            ValueError: If a loss or metric of Keras has no meaning for label maps, or
                another `ignore_class`.
        """
        own = self.ignore_class, [metric.name for metric in self.training_metrics]
        super().compile(
            optimizer=optimizer,
            loss=loss_over_label_maps(loss, self.ignore_class),
            metrics=metrics_over_label_maps(metrics, *own),
            weighted_metrics=metrics_over_label_maps(weighted_metrics, *own),
            **kwargs,
        )

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Train, as `keras.Model.fit`; check NumPy arrays before the first step.

        With a `keras_imas.callbacks.Checkpoint` it resumes from the newest checkpoint.

        Args:
            x: Dict of images, see above; or batches of such dicts and label maps.
            y: Label maps `(N, H, W)`, where `x` is a dict.
            batch_size: See `keras.Model.fit`.
            *args: See `keras.Model.fit`.
            **kwargs: See `keras.Model.fit`.

        Returns:
            `keras.callbacks.History`.

        Raises:
            ValueError: If `y` holds an id that is neither a class nor `ignore_class`, a
                batch can't be paired, or the strategy has several workers.
            keras_imas.training.health.NonFiniteError: If a loss or gradient is NaN or
                infinite, in more than `max_skipped_steps` steps in a row.
        """
        check_fit_options(x, kwargs)
        if isinstance(x, dict) and "labeled" in x and isinstance(y, np.ndarray):
            check_arrays(x, y)
            image = keras.KerasTensor((1, *np.shape(x["labeled"])[1:]))
            num_classes = self.compute_output_spec(image).shape[-1]
            check_label_map(y, num_classes, self.ignore_class, "`y`")
            if "unlabeled" in x:
                batch_size = batch_size or 32
                self.check_unlabeled(len(y) % batch_size or batch_size)
        return super().fit(x, y, batch_size, *args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate the teacher, as `keras.Model.evaluate`.

        Warn of arrays of images that are not 0..255.

        Args:
            *args: See there.
            **kwargs: See there.

        Returns:
            The logs.

        Raises:
            ValueError: If a label is neither a class nor ignored, or the network does
                not take images of that size.
        """
        size_rule(self.teacher)
        _look_at_images(*args, **kwargs)
        return super().evaluate(*args, **kwargs)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Predict the teacher's logits; warn of arrays of images that are not 0..255.

        Args:
            *args: See `keras.Model.predict`.
            **kwargs: See there.

        Returns:
            Array `(N, H, W, C)`.

        Raises:
            ValueError: If the network does not take images of that size.
        """
        size_rule(self.teacher)
        _look_at_images(*args, **kwargs)
        return super().predict(*args, **kwargs)

    def _symbolic_build(self, iterator=None, data_batch=None):
        if data_batch is not None:
            # Under a strategy it is the mean of the replicas' batches: of labels too.
            images, labels, weights = keras.utils.unpack_x_y_sample_weight(data_batch)
            labels = None if labels is None else ops.cast(labels, "int32")
            data_batch = images, labels, weights
        super()._symbolic_build(iterator, data_batch)

    def check_unlabeled(self, batch_size: int) -> None:
        """Refuse a number of unlabeled images that the method can't train on.

        Args:
            batch_size: Number of images in the smallest batch.
        """

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """Return the logs: the method's in training, those of `compile` in evaluation.

        Args:
            x: The inputs.
            y: Label maps.
            y_pred: What `call` returned.
            sample_weight: See `keras.Model.compute_metrics`.

        Returns:
            Dict from name to value.
        """
        if not isinstance(y_pred, dict):
            y = known_labels(y, y_pred.shape[-1], self.ignore_class)
            logs = super().compute_metrics(x, y, y_pred, sample_weight)
            own = [metric.name for metric in self.training_metrics]
            return {name: value for name, value in logs.items() if name not in own}
        build_metrics(self._compile_metrics, y, y_pred["labeled"])
        names = ("loss", *self.logged(y_pred))
        return {m.name: m.result() for m in self.metrics if m.name in names}

    def logged(self, y_pred: Any) -> Sequence[str]:
        """Return the names of the training metrics that a step's logs have.

        Args:
            y_pred: What `call` returned.
        """
        return [metric.name for metric in self.training_metrics]

    def settings(self) -> dict[str, Any]:
        """Return the arguments of the constructor but for the networks."""
        return {**super().settings(), **self._options()}

    def export(
        self, filepath: StrPath, format: str = "tf_saved_model", **kwargs: Any
    ) -> None:
        """Export the teacher, from images to logits, as `keras.Model.export`.

        Args:
            filepath: Where to write.
            format: See `keras.Model.export`. Defaults to `"tf_saved_model"`.
            **kwargs: See `keras_imas.backends.export.export_network`.
        """
        export_network(segmenter(self.teacher), filepath, format, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        config = super().get_config() | self._options()
        for name in _OBJECTS:
            config[name] = keras.saving.serialize_keras_object(getattr(self, name))
        return config

    def _options(self):
        """Return the keyword arguments of the constructor."""
        kinds = type(self).__mro__[: type(self).__mro__.index(ResilientModel)]
        return {
            name: getattr(self, name)
            for kind in kinds
            for name, parameter in inspect.signature(kind.__init__).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MeanTeacher":
        """Create the model from what `get_config` returned.

        Args:
            config: The dict.

        Returns:
            A model of this class.
        """
        read = keras.saving.deserialize_keras_object
        return cls(**{**config, **{name: read(config[name]) for name in _OBJECTS}})


def _without(variables, others):
    others = set(map(id, others))
    return [variable for variable in variables if id(variable) not in others]


def _look_at_images(x=None, *_, **__):
    """Warn of the images of an array that are not 0..255."""
    if isinstance(x, np.ndarray) and x.ndim == 4:
        warn_of_image_range(x, "x", stacklevel=4)
