"""iMAS: instance-specific and model-adaptive supervision (Zhao et al., CVPR 2023)."""

from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import ops

from keras_imas import batch
from keras_imas.arguments import check_not_negative
from keras_imas.augment.feature_masks import complementary_mask
from keras_imas.augment.intensity import blend
from keras_imas.augment.two_views import TwoViews
from keras_imas.backends.replicas import own_draws, replica_count
from keras_imas.backends.steps import on_every_backend
from keras_imas.losses import consistency_of_views, weight_at
from keras_imas.metrics import ImageMeans
from keras_imas.models import complementary_dropout as dropout
from keras_imas.models.logits import full_size_logits, run_on_views, scoring_logits
from keras_imas.scoring import SCORES, pseudo_labels, score_predictions
from keras_imas.teacher import move_teacher
from keras_imas.training.class_thresholds import ClassThresholds
from keras_imas.training.mean_teacher import MeanTeacher
from keras_imas.typing import Scheduled, Tensor

_PARTS = ("supervised_loss", "consistency_loss", "hardness", "pseudo_label_ratio")
_LOGS = (*_PARTS, "teacher_decay")


@keras.saving.register_keras_serializable(package="keras_imas")
class IMAS(MeanTeacher):
    """Train a segmentation network on labeled and unlabeled images.

    A student learns from labels and from its teacher's pseudo labels. The teacher is
    the moving average of the student, and makes the predictions. Each unlabeled image
    has a hardness from how much the two disagree. It sets how strongly the image is
    augmented, which image it is mixed with, and how much its consistency loss counts.

    `fit` takes batches `(inputs, label_maps)`; `inputs` is a dict of images 0..255:

    - `"labeled"`: `(B_l, H, W, 3)`, with `label_maps` `(B_l, H, W)`,
    - `"unlabeled"`: the weak views, `(B_u, H, W, 3)`,
    - `"unlabeled_strong"`: the strong views of the same crops, same shape; and
      `"unlabeled_strong_2"`, others, with `strong_views=2`,
    - `"unlabeled_valid"` (optional): `(B_u, H, W)`, 0 where a crop is padding,
    - `"labeled_index"`, `"unlabeled_index"` (optional): positions in the data set.

    Batches with `"labeled"` alone are supervised steps. `keras_imas.data`, arrays,
    `tf.data`, `PyDataset` and `DataLoader` make batches.

    Args:
        student: Keras model from images to logits, built; at the images' resolution or
            lower. Of several outputs the first is the main one, the others auxiliary;
            in a dict, those whose names begin with `"auxiliary"`.
        teacher: A second model like `student`, for students that Keras can't clone.
            Defaults to `None`: a clone.
        confidence_threshold: Confidence τ of pseudo labels that count. Defaults to 0.7.
        class_thresholds: Whether unsure classes have a lower one. Defaults to `False`.
        unlabeled_weight: Weight λ of the consistency loss: a number, or a
            `keras.optimizers.schedules.LearningRateSchedule` of the steps since the
            warm-up. Defaults to `3.0`.
        ema_decay: Largest decay of the teacher, in [0, 1]. Defaults to `0.996`.
        ema_copy_steps: Semi-supervised steps for which the teacher copies the student;
            the paper: the first epoch. Defaults to `0`.
        supervised_only_steps: Steps of warm-up, for which λ is 0 and the teacher copies
            the student. Defaults to `0`.
        background_class: Class without weight in the hardness. Defaults to `None`.
        ignore_class: Label of pixels that don't count. Defaults to `255`.
        auxiliary_weight: Weight of the supervised loss of each auxiliary output.
            Defaults to `0.4`.
        strong_views: 1: one strong and one cut-mixed view; 2: two strong views, each
            cut-mixed, see `keras_imas.augment.two_views`. Defaults to `1`.
        warp: Size of their smooth warp, see `keras_imas.augment.warp`. Defaults to `0`.
        cutmix_range: Range of the boxes' side fraction. Defaults to `(0.1, 0.9)`.
        cutmix_area: Range of the boxes' area fraction, in place of `cutmix_range`: each
            image has its own box and coin. Defaults to `None`.
        cutmix_aspect: Range of their height over width. Defaults to `(0.3, 1 / 0.3)`.
        cutmix_view: View to cut-mix, `"weak"` or `"strong"`. Defaults to `"weak"`.
        cutmix_probability: Probability that a batch (with `cutmix_area` an image) is
            cut-mixed. Defaults to `None`: mean(1 − hardness) with adaptive CutMix,
            else 1.
        complementary_dropout: Whether the two views lose complementary channels of the
            student's features, see `keras_imas.models.ComplementaryDropout`, a layer
            that the student must have. Defaults to `False`.
        pairing_group_size: Number of consecutive unlabeled images that share ranking,
            side fraction and coin; the paper's program: 4. Defaults to `None`: all.
        adaptive_intensity: Whether hardness blends strong with weak views, and makes
            warps smaller. Defaults to `True`; `False`: all get the full strong view.
        adaptive_cutmix: Whether hardness chooses partners. Defaults to `True`.
        hardness_weighting: Whether hardness weighs the loss. Defaults to `True`.
        max_skipped_steps: Steps in a row to skip because a loss or gradient is NaN or
            infinite, before `fit` raises an error. `None`: never look. Defaults to `0`.
        seed: Integer seed of the random draws. Defaults to `None`: random.

    Raises:
        ValueError: If an argument is out of range; if the student can't be cloned.

    Example:
        >>> layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
        >>> model = IMAS(keras.Sequential(layers), seed=0)
        >>> model.compile(optimizer=keras.optimizers.SGD(1e-3))
        >>> images = keras.random.uniform((4, 8, 8, 3), 0, 255, seed=0)
        >>> batch = dict.fromkeys(("labeled", "unlabeled", "unlabeled_strong"), images)
        >>> history = model.fit(batch, ops.zeros((4, 8, 8), "int32"), verbose=0)
        >>> model.predict(images, verbose=0).shape
        (4, 8, 8, 2)
    """

    def __init__(
        self,
        student: keras.Model,
        teacher: keras.Model | None = None,
        *,
        confidence_threshold: float = 0.7,
        class_thresholds: bool = False,
        unlabeled_weight: Scheduled = 3.0,
        ema_decay: float = 0.996,
        ema_copy_steps: int = 0,
        supervised_only_steps: int = 0,
        background_class: int | None = None,
        ignore_class: int | None = 255,
        auxiliary_weight: float = 0.4,
        strong_views: int = 1,
        warp: float = 0.0,
        cutmix_range: tuple[float, float] = (0.1, 0.9),
        cutmix_area: tuple[float, float] | None = None,
        cutmix_aspect: tuple[float, float] = (0.3, 1 / 0.3),
        cutmix_view: Literal["weak", "strong"] = "weak",
        cutmix_probability: float | None = None,
        complementary_dropout: bool = False,
        pairing_group_size: int | None = None,
        adaptive_intensity: bool = True,
        adaptive_cutmix: bool = True,
        hardness_weighting: bool = True,
        max_skipped_steps: int | None = 0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            student,
            teacher,
            ema_decay=ema_decay,
            ema_copy_steps=ema_copy_steps,
            supervised_only_steps=supervised_only_steps,
            ignore_class=ignore_class,
            auxiliary_weight=auxiliary_weight,
            max_skipped_steps=max_skipped_steps,
            seed=seed,
            **kwargs,
        )
        self.two_views = TwoViews(
            strong_views=strong_views,
            warp=warp,
            cutmix_range=cutmix_range,
            cutmix_area=cutmix_area,
            cutmix_aspect=cutmix_aspect,
            cutmix_view=cutmix_view,
            cutmix_probability=cutmix_probability,
            pairing_group_size=pairing_group_size,
            adaptive_cutmix=adaptive_cutmix,
        )
        for name, value in vars(self.two_views).items():
            setattr(self, name, value)
        if not callable(unlabeled_weight):
            check_not_negative(unlabeled_weight=unlabeled_weight)
        batch.check_pairs(None, pairing_group_size, adaptive=False)
        if complementary_dropout:
            dropout.check_has_place(student)
        self.confidence_threshold = confidence_threshold
        self.class_thresholds = class_thresholds
        self.thresholds = ClassThresholds(self)
        self.unlabeled_weight = unlabeled_weight
        self.background_class = background_class
        self.complementary_dropout = complementary_dropout
        self.adaptive_intensity = adaptive_intensity
        self.hardness_weighting = hardness_weighting
        self.training_metrics = [keras.metrics.Mean(name=name) for name in _LOGS]
        self.image_scores = ImageMeans(SCORES, name="image_scores")

    @on_every_backend
    def train_step(self, data: Any) -> Any:
        """Update the student by a batch, then move the teacher towards it."""
        decay = self.teacher_decay()
        logs, updated = self.gradient_step(data)
        decay = ops.where(updated, decay, 1.0)
        move_teacher(self.teacher.weights, self.student.weights, decay)
        return logs

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the teacher's logits of images, or of a batch what its loss needs.

        Args:
            inputs: Images `(B, H, W, 3)`, or the dict that `fit` takes.
            training: Whether the student runs in training mode. Defaults to `None`.

        Returns:
            Logits `(B, H, W, C)`, or a dict.
        """
        if not isinstance(inputs, dict):
            return full_size_logits(self.teacher, inputs)
        labeled, weak, strong, valid = batch.views(
            inputs, self.compute_dtype, strong_views=self.strong_views
        )
        if weak is None:
            return run_on_views(self.student, {"labeled": labeled}, training)
        self.check_unlabeled(weak.shape[0])
        draws = own_draws(self.sample_draws, *ops.shape(weak)[:3])

        # 1. Hardness: how much student and teacher disagree about the weak view.
        student_logits = scoring_logits(self.student, weak)
        student = pseudo_labels(student_logits)
        teacher = self._pseudo_labels(inputs, weak)
        scores = score_predictions(
            student,
            teacher,
            num_classes=student_logits.shape[-1],
            confidence_threshold=self.confidence_threshold,
            background_class=self.background_class,
            valid_mask=valid,
        )
        hardness = scores["hardness"]

        # 2. Adaptive intensity: the harder the image, the weaker its strong views.
        weaker = hardness if self.adaptive_intensity else None
        if self.adaptive_intensity:
            strong = [blend(view, weak, hardness) for view in strong]

        # 3. Adaptive CutMix: easy and hard images exchange rectangles.
        target = dict(zip(("pseudo_labels", "confidence"), teacher, strict=True))
        views, targets, weights = self.two_views(
            weak, strong, {**target, "valid_mask": valid}, hardness, draws, weaker
        )

        # 4. One pass of the student, so that all views share batch statistics; of the
        # features the two views lose complementary channels, the harder the fewer.
        mask = complementary_mask(draws.get("dropout"), labeled, weaker)
        with dropout.dropped_features(mask):
            logits = run_on_views(self.student, {"labeled": labeled, **views}, training)
        found = {"scores": scores, "targets": targets, "weights": weights}
        return {**logits, **found, **self.thresholds(*teacher, valid)}

    def _pseudo_labels(self, inputs: dict, weak: Tensor) -> tuple[Tensor, Tensor]:
        return pseudo_labels(scoring_logits(self.teacher, weak))

    def compute_loss(
        self,
        x: Any = None,
        y: Tensor | None = None,
        y_pred: Any = None,
        sample_weight: Tensor | None = None,
        training: bool = True,
    ) -> Tensor:
        """Return the supervised loss plus λ times the consistency loss."""
        if not isinstance(y_pred, dict):
            return self.evaluation_loss(x, y, y_pred, sample_weight, training)
        loss, label_code = self.supervised_loss(x, y, y_pred, sample_weight)
        # Keras divides losses by the number of replicas, to add up gradients.
        self.log(
            supervised_loss=loss * replica_count(), teacher_decay=self.teacher_decay()
        )
        if "scores" not in y_pred:
            return self.guarded(loss, x or {}, [loss], label_code)
        scores = y_pred["scores"]
        consistency, losses = consistency_of_views(
            y_pred,
            y_pred["targets"],
            y_pred["weights"],
            hardness=scores["hardness"] if self.hardness_weighting else None,
            confidence_threshold=self.confidence_threshold,
            class_thresholds=y_pred.get("thresholds"),
        )
        weight = weight_at(
            self.step, self.unlabeled_weight, start_step=self.supervised_only_steps
        )
        total = loss + self._aggregate_additional_loss(weight * consistency)
        self.log(
            consistency_loss=consistency,
            hardness=scores["hardness"],
            pseudo_label_ratio=y_pred.get("counting", scores["teacher_confidence"]),
        )
        if self.image_scores.tracks:
            self.image_scores.update_state(batch.unlabeled_positions(x), scores)
        parts = [loss, *losses, scores["hardness"]]
        return self.guarded(total, x or {}, parts, label_code)

    def sample_draws(self, batch_size: int, height: int, width: int) -> dict:
        """Make a step's random draws; override it to repeat a step with given ones."""
        on = self.complementary_dropout
        channels = dropout.dropped_channels(self.student) if on else 0
        return self.two_views.sample(
            batch_size, height, width, channels=channels, seed=self.seed_generator
        )

    def check_unlabeled(self, batch_size: int) -> None:
        """Refuse a number of unlabeled images that can't be paired."""
        batch.check_pairs(batch_size, self.pairing_group_size, self.adaptive_cutmix)

    def logged(self, y_pred: dict[str, Any]) -> Sequence[str]:
        """Return the names of the metrics that a step's logs have."""
        return _LOGS if "scores" in y_pred else ("supervised_loss", "teacher_decay")
