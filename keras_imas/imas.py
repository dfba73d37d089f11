"""iMAS: instance-specific and model-adaptive supervision (Zhao et al., CVPR 2023)."""

import functools
import inspect
import itertools

import keras
import numpy as np
from keras import ops

from keras_imas.arguments import (
    check_class,
    check_fraction,
    check_group_size,
    check_range,
)
from keras_imas.augment.cutmix import (
    cutmix_partners,
    for_each_image,
    group_count,
    paste,
    sample_boxes,
)
from keras_imas.augment.intensity import blend
from keras_imas.backends.devices import check_strategy
from keras_imas.backends.replicas import (
    own_part,
    replica_concatenation,
    replica_count,
    replica_mean,
)
from keras_imas.losses import Crossentropy, consistency_losses
from keras_imas.metrics import ImageMeans
from keras_imas.models.logits import (
    resize_logits,
    resized_logits,
    run_network,
    segmenter,
)
from keras_imas.scoring import SCORES, pseudo_labels, score_predictions
from keras_imas.teacher import ema_decay, move_teacher
from keras_imas.training import resuming
from keras_imas.training.finite_updates import FiniteUpdates
from keras_imas.training.health import Health, Snapshot, all_finite

_INPUTS = (
    'The inputs of `fit` must be a dict with "labeled" images and, for semi-supervised '
    'steps, "unlabeled" and "unlabeled_strong" ones.'
)


_INDEXED = ("labeled", "unlabeled")  # images whose positions batches may tell


@keras.saving.register_keras_serializable(package="keras_imas")
class IMAS(keras.Model):
    """Train a segmentation network on labeled and unlabeled images.

    A student learns from the labels and from its teacher's pseudo labels; the teacher
    is the moving average of the student, and what the model predicts, evaluates,
    exports and is meant for. Each unlabeled image has a hardness from how much the two
    disagree; it sets how strongly the image is augmented, with whom it is cut-mixed,
    and how much its consistency loss counts.

    `fit` takes batches `(inputs, label_maps)`; `inputs` is a dict of images 0..255:

    - `"labeled"`: `(B_l, H, W, 3)`, with `label_maps` `(B_l, H, W)`,
    - `"unlabeled"`: the weak views, `(B_u, H, W, 3)`,
    - `"unlabeled_strong"`: the strong views of the same crops, same shape,
    - `"unlabeled_valid"` (optional): `(B_u, H, W)`, 0 where a crop is padding.

    Batches may hold `"labeled_index"` and `"unlabeled_index"`, positions among the
    images, by which errors name them. Those with `"labeled"` alone are supervised
    steps. `keras_imas.data` makes such batches; NumPy arrays, `tf.data`,
    `keras.utils.PyDataset` and torch DataLoaders do.
    `evaluate` takes `(images, label_maps)` and `predict` images: both use the teacher.

    Args:
        student: Keras model from images to logits, built; at the images' resolution or
            lower. Of several outputs the first is the main one, the second auxiliary;
            in a dict, the one named `"auxiliary"`.
        teacher: A second model like `student`, for students that Keras can't clone.
            Defaults to `None`: a clone. It starts as a copy of the student.
        confidence_threshold: Confidence τ from which a pseudo label counts, in [0, 1].
            Defaults to `0.7`.
        unlabeled_weight: Weight λ of the consistency loss: a number, or a
            `keras.optimizers.schedules.LearningRateSchedule` of the steps since the
            warm-up. Defaults to `3.0`.
        ema_decay: Largest decay of the teacher, in [0, 1]. Defaults to `0.996`.
        ema_copy_steps: Semi-supervised steps for which the teacher copies the student;
            the paper: the first epoch. Defaults to `0`.
        supervised_only_steps: Steps of warm-up, for which λ is 0 and the teacher copies
            the student. Defaults to `0`.
        background_class: Class without weight in the hardness; the paper's recipes set
            0. Defaults to `None`.
        ignore_class: Label of pixels that don't count. Defaults to `255`.
        auxiliary_weight: Weight of the supervised loss of an auxiliary output.
            Defaults to `0.4`.
        cutmix_range: Range of the side fraction of CutMix boxes. Defaults to
            `(0.1, 0.9)`.
        cutmix_probability: Probability that a batch is cut-mixed. Defaults to `None`:
            mean(1 − hardness) with adaptive CutMix, else 1.
        pairing_group_size: Number of consecutive unlabeled images that share ranking,
            side fraction and coin; the paper's program: 4, those of one GPU. Defaults
            to `None`: the whole batch.
        adaptive_intensity: Whether hardness blends strong with weak views (else all
            get the full strong view). Defaults to `True`.
        adaptive_cutmix: Whether hardness chooses partners and probability (else a
            random permutation). Defaults to `True`.
        hardness_weighting: Whether hardness weighs the consistency loss (else all
            images weigh 1). Defaults to `True`.
        max_skipped_steps: Steps in a row whose loss or gradient is NaN or infinite that
            are skipped; one more, and `fit` raises
            `keras_imas.training.health.NonFiniteError`. Such a step changes neither
            student, optimizer, batch statistics nor teacher, and does not count in the
            logs.
            `None`: numbers are not looked at. Defaults to `0`: the first one stops.
        seed: Integer seed of the random draws. Defaults to `None`: random.

    Attributes:
        image_names: Dict of the names of the `"labeled"` and `"unlabeled"` images, in
            the order of the positions in batches, for errors. Empty: errors tell
            positions.

    Raises:
        ValueError: If an argument is out of range, or the student is not built or
            can't be cloned.

    Example:
        >>> import numpy as np
        >>> layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
        >>> model = IMAS(keras.Sequential(layers), seed=0)
        >>> model.compile(optimizer=keras.optimizers.SGD(1e-3))
        >>> images = np.random.default_rng(0).uniform(0, 255, (4, 8, 8, 3))
        >>> images = images.astype("float32")
        >>> batch = {
        ...     "labeled": images,
        ...     "unlabeled": images,
        ...     "unlabeled_strong": 255 - images,
        ... }
        >>> history = model.fit(batch, np.zeros((4, 8, 8), "int32"), verbose=0)
        >>> sorted(history.history)  # doctest: +NORMALIZE_WHITESPACE
        ['consistency_loss', 'hardness', 'loss', 'pseudo_label_ratio',
         'supervised_loss', 'teacher_decay']
        >>> model.predict(images, verbose=0).shape
        (4, 8, 8, 2)
    """

    def __init__(
        self,
        student,
        teacher=None,
        *,
        confidence_threshold=0.7,
        unlabeled_weight=3.0,
        ema_decay=0.996,
        ema_copy_steps=0,
        supervised_only_steps=0,
        background_class=None,
        ignore_class=255,
        auxiliary_weight=0.4,
        cutmix_range=(0.1, 0.9),
        cutmix_probability=None,
        pairing_group_size=None,
        adaptive_intensity=True,
        adaptive_cutmix=True,
        hardness_weighting=True,
        max_skipped_steps=0,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_fraction("confidence_threshold", confidence_threshold)
        check_fraction("ema_decay", ema_decay)
        if cutmix_probability is not None:
            check_fraction("cutmix_probability", cutmix_probability)
        check_range("cutmix_range", cutmix_range)
        for name, value in (
            ("ema_copy_steps", ema_copy_steps),
            ("supervised_only_steps", supervised_only_steps),
            ("auxiliary_weight", auxiliary_weight),
            ("max_skipped_steps", max_skipped_steps or 0),
            ("unlabeled_weight", 0 if callable(unlabeled_weight) else unlabeled_weight),
        ):
            if value < 0:
                raise ValueError(
                    f"`{name}` must not be negative. Received: {name}={value!r}"
                )
        check_group_size("pairing_group_size", pairing_group_size, None)
        if not student.built:
            raise ValueError(
                "`student` has no weights yet. Build it before: call it once on images "
                "of the size to train on, `student(numpy.zeros((1, 129, 129, 3)))`"
            )
        self.student = student
        self.teacher = _clone(student) if teacher is None else teacher
        # For JAX the two must not share buffers, which `assign` would let them do.
        self.teacher.set_weights(student.get_weights())
        self.teacher.trainable = False

        self.confidence_threshold = confidence_threshold
        self.unlabeled_weight = unlabeled_weight
        self.ema_decay = ema_decay
        self.ema_copy_steps = ema_copy_steps
        self.supervised_only_steps = supervised_only_steps
        self.background_class = background_class
        self.ignore_class = ignore_class
        self.auxiliary_weight = auxiliary_weight
        self.cutmix_range = tuple(cutmix_range)
        self.cutmix_probability = cutmix_probability
        self.pairing_group_size = pairing_group_size
        self.adaptive_intensity = adaptive_intensity
        self.adaptive_cutmix = adaptive_cutmix
        self.hardness_weighting = hardness_weighting
        self.max_skipped_steps = max_skipped_steps
        self.seed = seed

        self.seed_generator = keras.random.SeedGenerator(seed)
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        health = self.add_weight(
            name="health",
            shape=(4,),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.health = Health(health, max_skipped_steps)
        self.image_names = {}
        self.training_metrics = [
            keras.metrics.Mean(name=name)
            for name in (
                "supervised_loss",
                "consistency_loss",
                "hardness",
                "pseudo_label_ratio",
                "teacher_decay",
            )
        ]
        # Used by `keras_imas.callbacks.HardnessLog` alone.
        self.image_scores = ImageMeans(SCORES, name="image_scores")
        self.built = True

    def compile(self, optimizer="sgd", loss=None, **kwargs):
        """Configure training, as `keras.Model.compile`.

        Args:
            optimizer: Optimizer of the student. Defaults to `"sgd"`.
            loss: Supervised loss on `(label_maps, logits)`. Defaults to `None`:
                cross-entropy over the pixels that are not `ignore_class`.
            **kwargs: See `keras.Model.compile`. `metrics` update in evaluation only:
                over full-size logits they would cost more than the method.
        """
        if loss is None:
            loss = Crossentropy(ignore_class=self.ignore_class)
        super().compile(optimizer=optimizer, loss=loss, **kwargs)
        scales = isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)
        if self.max_skipped_steps is not None and not scales:
            self.optimizer = FiniteUpdates(self.optimizer)

    def compile_from_config(self, config):
        """Configure training as it was when the model was saved.

        Args:
            config: What `get_compile_config` returned.
        """
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def fit(self, x=None, y=None, batch_size=None, *args, **kwargs):
        """Train, as `keras.Model.fit`; NumPy arrays are checked before the first step.

        With a `keras_imas.callbacks.Checkpoint` among the callbacks the training goes
        on from its newest checkpoint.

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
        check_strategy(getattr(self, "distribute_strategy", None))
        if isinstance(x, dict) and "labeled" in x and isinstance(y, np.ndarray):
            self._check_labels(x["labeled"], y)
            if "unlabeled" in x:
                batch_size = batch_size or 32
                self._check_pairs(len(y) % batch_size or batch_size)
        fit = super().fit

        def watched(*args, **kwargs):
            # After a checkpoint was read, which may be of a run that was to stop.
            self.health.restart()
            history = fit(*args, **kwargs)
            self.health.check()
            return history

        options = inspect.signature(fit).bind(x, y, batch_size, *args, **kwargs)
        return resuming.fit(self, watched, **options.arguments)

    def train_on_batch(self, *args, **kwargs):
        """Train for a step, as `keras.Model.train_on_batch`.

        Args:
            *args: See there.
            **kwargs: See there.

        Returns:
            The logs.

        Raises:
            keras_imas.training.health.NonFiniteError: See `fit`.
        """
        logs = super().train_on_batch(*args, **kwargs)
        self.health.check()
        return logs

    def make_train_function(self, force=False):
        """Make the function that trains for a step, as `keras.Model` does.

        Args:
            force: Whether to make it anew. Defaults to `False`.

        Returns:
            The function.
        """
        if self.train_function is not None and not force:
            return self.train_function
        super().make_train_function(force=True)
        step = self.train_function

        def step_and_report(*args):
            # Not what the last step has found, which may still run.
            self.health.check(but=1)
            result = step(*args)
            logs = result[0] if keras.backend.backend() == "jax" else result
            images = {
                name: logs.pop(f"{name}_index")
                for name in _INDEXED
                if f"{name}_index" in logs
            }
            if "health" in logs:
                named = functools.partial(self._named, images)
                self.health.add(logs.pop("health"), named)
            return result

        self.train_function = step_and_report
        return self.train_function

    def call(self, inputs, training=None):
        """Segment images by the teacher, or run the forward part of a training step.

        Args:
            inputs: Images `(B, H, W, 3)`, or the dict that `fit` takes.
            training: Whether the student runs in training mode. Defaults to `None`.

        Returns:
            For images the teacher's logits, `(B, H, W, C)`; for a dict a dict with the
            student's logits and all that the losses need.
        """
        if not isinstance(inputs, dict):
            return resized_logits(self.teacher, inputs)
        labeled = self._images(inputs, "labeled")
        if "unlabeled" not in inputs:
            return self._student_pass({"labeled": labeled}, training)
        weak = self._images(inputs, "unlabeled")
        strong = self._images(inputs, "unlabeled_strong")
        self._check_batch(labeled, weak, strong)
        valid = inputs.get("unlabeled_valid")
        if valid is None:
            valid = ops.ones(ops.shape(weak)[:3])
        # Drawn for the whole batch on each replica, so that they are the same draws on
        # any number of replicas.
        batch_size, height, width = ops.shape(weak)[:3]
        draws = self.sample_draws(batch_size * replica_count(), height, width)
        draws = {name: own_part(draw) for name, draw in draws.items()}

        # 1, 2. Score student and teacher on the weak view: the hardness of each image.
        student_logits = resized_logits(self.student, weak)
        student = [ops.stop_gradient(x) for x in pseudo_labels(student_logits)]
        teacher = pseudo_labels(resized_logits(self.teacher, weak))
        labels, confidence = teacher = [ops.stop_gradient(x) for x in teacher]
        check_class("background_class", self.background_class, student_logits.shape[-1])
        scores = score_predictions(
            student,
            teacher,
            num_classes=student_logits.shape[-1],
            confidence_threshold=self.confidence_threshold,
            background_class=self.background_class,
            valid_mask=valid,
        )
        hardness = scores["hardness"]

        # 3. Adaptive intensity: the harder the image, the weaker its strong view.
        if self.adaptive_intensity:
            strong = blend(strong, weak, hardness)

        # 4. Adaptive CutMix. Where the coin says no the boxes are empty and the loss is
        # masked, so that the batch keeps its shape, as XLA requires.
        mixed = self._cutmix_coin(hardness, draws["coin"])
        boxes = draws["boxes"] * ops.cast(mixed, "int32")[:, None]
        partners = cutmix_partners(
            hardness if self.adaptive_cutmix else draws["shuffle"],
            group_size=self.pairing_group_size,
        )

        # 5. One pass of the student, so that all views share batch statistics.
        views = {
            "labeled": labeled,
            "strong": strong,
            "cutmix": paste(weak, boxes, partners),
        }
        return {
            **self._student_pass(views, training),
            "scores": scores,
            "mixed": mixed,
            "strong_target": (labels, confidence, valid),
            "cutmix_target": tuple(
                paste(x, boxes, partners) for x in (labels, confidence, valid)
            ),
        }

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Return the supervised loss plus λ times the consistency loss.

        Args:
            x: The inputs, to tell whether they are finite, and of which images the
                hardness is.
            y: Label maps.
            y_pred: What `call` returned.
            sample_weight: See `keras.Model.compute_loss`; of the labeled part.
            training: See `keras.Model.compute_loss`.

        Returns:
            Scalar tensor.
        """
        if not isinstance(y_pred, dict):
            if training:
                raise ValueError(f"{_INPUTS} Received: {type(x).__name__}")
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        # The student's regularizers come along; the teacher, not trainable, has none.
        loss = super().compute_loss(x, y, y_pred["labeled"], sample_weight, training)
        if "auxiliary" in y_pred:
            auxiliary = self._compile_loss(y, y_pred["auxiliary"], sample_weight)
            loss = loss + self.auxiliary_weight * auxiliary
        logs = {
            # Keras divides losses by the number of replicas, to add up gradients.
            "supervised_loss": loss * replica_count(),
            "teacher_decay": self._teacher_decay(),
        }
        parts = [loss]
        if "scores" in y_pred:
            # Half of each, or the strong one alone where nothing was mixed.
            strong, cutmix = (
                self._consistency_losses(y_pred, view) for view in ("strong", "cutmix")
            )
            parts += [strong, cutmix]
            half = 0.5 * y_pred["mixed"]
            consistency = ops.mean((1.0 - half) * strong + half * cutmix)
            loss = loss + self._aggregate_additional_loss(
                self._current_unlabeled_weight() * consistency
            )
            logs["consistency_loss"] = consistency
            logs["hardness"] = y_pred["scores"]["hardness"]
            logs["pseudo_label_ratio"] = y_pred["scores"]["teacher_confidence"]
            self._note_scores(x, y_pred["scores"])
        for metric in self.training_metrics:
            if metric.name in logs:
                metric.update_state(logs[metric.name])
        if self.max_skipped_steps is None:
            return loss
        return loss * self._one_where_finite(x or {}, parts)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Return the logs: the method's in training, those of `compile` in evaluation.

        Args:
            x: The inputs.
            y: Label maps.
            y_pred: What `call` returned.
            sample_weight: See `keras.Model.compute_metrics`.

        Returns:
            Dict from name to value.
        """
        own = [metric.name for metric in self.training_metrics]
        if not isinstance(y_pred, dict):
            logs = super().compute_metrics(x, y, y_pred, sample_weight)
            return {name: value for name, value in logs.items() if name not in own}
        if self._compile_metrics is not None and not self._compile_metrics.built:
            self._compile_metrics.build(y, y_pred["labeled"])
        if "scores" not in y_pred:
            own = ["supervised_loss", "teacher_decay"]
        return {
            metric.name: metric.result()
            for metric in self.metrics
            if metric.name in ("loss", *own)
        }

    def train_step(self, *args):
        """Train the student for a step, then move the teacher.

        Args:
            *args: The batch; on JAX the state and the batch.

        Returns:
            The logs; on JAX the logs and the new state.
        """
        data = args[-1]
        images = data[0] if isinstance(data, tuple) else data
        if keras.backend.backend() != "jax":
            before = self._before_step()
            logs = super().train_step(*args)
            self._finish_step(*before)
            return self._logs(logs, images)
        variables = [
            *self.trainable_variables,
            *self.non_trainable_variables,
            *self.optimizer.variables,
            *self.metrics_variables,
        ]
        values = itertools.chain(*args[0])
        with keras.StatelessScope(zip(variables, values, strict=True)):
            before = self._before_step()
        logs, state = super().train_step(*args)
        values = itertools.chain(*state)
        with keras.StatelessScope(zip(variables, values, strict=True)) as scope:
            self._finish_step(*before)
            logs = self._logs(logs, images)
        values = iter([scope.get_current_value(variable) for variable in variables])
        return logs, tuple(list(itertools.islice(values, len(p))) for p in state)

    def sample_draws(self, batch_size, height, width):
        """Make every random draw of a training step.

        Override it to repeat a step with given draws.

        Args:
            batch_size: Number of unlabeled images B.
            height: Height of the images in pixels.
            width: Width of the images in pixels.

        Returns:
            Dict of tensors: `"boxes"`, the CutMix boxes, int32 `(B, 4)`; `"coin"`,
            uniform on [0, 1), one a pairing group; `"shuffle"`, uniform on [0, 1),
            `(B,)`, whose order makes the random partners of uniform CutMix.
        """
        group_size, seed = self.pairing_group_size, self.seed_generator
        return {
            "boxes": sample_boxes(
                batch_size,
                height,
                width,
                fraction_range=self.cutmix_range,
                group_size=group_size,
                seed=seed,
            ),
            "coin": keras.random.uniform(
                (group_count(batch_size, group_size),), seed=seed
            ),
            "shuffle": keras.random.uniform((batch_size,), seed=seed),
        }

    def export(self, filepath, format="tf_saved_model", **kwargs):
        """Export the teacher, from images to logits, as `keras.Model.export`.

        Args:
            filepath: Where to write.
            format: See `keras.Model.export`. Defaults to `"tf_saved_model"`.
            **kwargs: See `keras.Model.export`.
        """
        segmenter(self.teacher).export(filepath, format=format, **kwargs)

    def get_config(self):
        """Return the arguments of the constructor."""
        config = super().get_config()
        for name in ("student", "teacher", "unlabeled_weight"):
            config[name] = keras.saving.serialize_keras_object(getattr(self, name))
        for name in (
            "confidence_threshold",
            "ema_decay",
            "ema_copy_steps",
            "supervised_only_steps",
            "background_class",
            "ignore_class",
            "auxiliary_weight",
            "cutmix_range",
            "cutmix_probability",
            "pairing_group_size",
            "adaptive_intensity",
            "adaptive_cutmix",
            "hardness_weighting",
            "max_skipped_steps",
            "seed",
        ):
            config[name] = getattr(self, name)
        return config

    @classmethod
    def from_config(cls, config):
        """Create the model from what `get_config` returned.

        Args:
            config: The dict.

        Returns:
            An `IMAS`.
        """
        config = dict(config)
        for name in ("student", "teacher", "unlabeled_weight"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)

    def _images(self, inputs, name):
        if name not in inputs:
            raise ValueError(f"{_INPUTS} Received: {sorted(inputs)}")
        return ops.cast(inputs[name], self.compute_dtype)

    def _check_batch(self, labeled, weak, strong):
        if weak.shape != strong.shape:
            raise ValueError(
                '"unlabeled" and "unlabeled_strong" must be two views of the same '
                f"crops. Received shapes: {tuple(weak.shape)} and {tuple(strong.shape)}"
            )
        if labeled.shape[1:] != weak.shape[1:]:
            raise ValueError(
                '"labeled" and "unlabeled" crops must have one size: they pass '
                "through the student as one batch. Received shapes: "
                f"{tuple(labeled.shape)} and {tuple(weak.shape)}"
            )
        self._check_pairs(weak.shape[0])

    def _check_labels(self, images, labels):
        images = keras.KerasTensor((1, *np.shape(images)[1:]))
        num_classes = self.compute_output_spec(images).shape[-1]
        known = (labels >= 0) & (labels < num_classes) | (labels == self.ignore_class)
        if not known.all():
            raise ValueError(
                f"`y` must hold classes, in [0, {num_classes}), and `ignore_class`, "
                f"{self.ignore_class}. Received: {labels[~known][0]}"
            )

    def _check_pairs(self, batch_size):
        check_group_size("pairing_group_size", self.pairing_group_size, batch_size)
        if self.adaptive_cutmix and 1 in (batch_size, self.pairing_group_size):
            raise ValueError(
                "Adaptive CutMix pairs images of different hardness and needs 2 or "
                "more unlabeled images in each pairing group. Received: an unlabeled "
                f"batch of {batch_size}, pairing_group_size="
                f"{self.pairing_group_size}. Take a larger unlabeled batch or group, "
                "or set `adaptive_cutmix=False`"
            )

    def _cutmix_coin(self, hardness, coin):
        """Decide for each image whether its group is cut-mixed: `(B,)` of 0 and 1."""
        group_size = self.pairing_group_size
        if self.cutmix_probability is not None:
            probability = self.cutmix_probability
        elif self.adaptive_cutmix:
            grouped = ops.reshape(hardness, (-1, group_size) if group_size else (1, -1))
            probability = ops.mean(1.0 - grouped, axis=-1)
        else:
            probability = 1.0
        mixed = ops.cast(ops.cast(coin, "float32") < probability, "float32")
        return for_each_image(mixed, ops.shape(hardness)[0], group_size)

    def _student_pass(self, views, training):
        """Run the student once over all views; return the logits of each."""
        images = ops.concatenate(list(views.values()), axis=0)
        outputs = run_network(self.student, images, training=training)
        logits = resize_logits(outputs[0], images)
        result = dict(zip(views, _split(logits, views.values()), strict=True))
        if len(outputs) > 1:
            labeled = views["labeled"]
            auxiliary = outputs[1][: ops.shape(labeled)[0]]
            result["auxiliary"] = resize_logits(auxiliary, labeled)
        return result

    def _consistency_losses(self, y_pred, view):
        """Return the consistency loss of each image of a view."""
        hardness = y_pred["scores"]["hardness"]
        labels, confidence, valid = y_pred[f"{view}_target"]
        return consistency_losses(
            y_pred[view],
            labels,
            confidence,
            hardness=hardness if self.hardness_weighting else None,
            confidence_threshold=self.confidence_threshold,
            valid_mask=valid,
        )

    def _note_scores(self, inputs, scores):
        if not self.image_scores.tracks:
            return
        if "unlabeled_index" not in inputs:
            raise ValueError(
                "`HardnessLog` needs to know which images a batch has: "
                '"unlabeled_index" beside "unlabeled", integers (B_u,), as the batches '
                f"of `keras_imas.data` have it. Received: {sorted(inputs)}"
            )
        self.image_scores.update_state(inputs["unlabeled_index"], scores)

    def _current_unlabeled_weight(self):
        weight = self.unlabeled_weight
        if callable(weight):
            weight = weight(ops.maximum(self.step - self.supervised_only_steps, 0))
        warm = ops.cast(self.step >= self.supervised_only_steps, "float32")
        return warm * ops.cast(weight, "float32")

    def _inner_optimizer(self):
        # It is wrapped, by `FiniteUpdates` or for loss scaling.
        return getattr(self.optimizer, "inner_optimizer", self.optimizer)

    def _steps_per_update(self):
        return self._inner_optimizer().gradient_accumulation_steps or 1

    def _gradients_taken(self):
        """Return the variable that counts them; `iterations` may count updates."""
        return self._inner_optimizer().variables[0]

    def _teacher_decay(self):
        # It goes by updates of the student, as with the large batch.
        steps = self._steps_per_update()
        warm_up = self.supervised_only_steps
        return ema_decay(
            self.step // steps,
            max_decay=self.ema_decay,
            start_step=-(-warm_up // steps),
            copy_until=-(-(warm_up + self.ema_copy_steps) // steps),
        )

    def _one_where_finite(self, inputs, losses):
        """Return a factor of the loss: 1, or NaN where something is not finite.

        So the gradient is NaN too, on all replicas, and the optimizer leaves all as it
        is. What it was is noted.
        """
        statistics = [
            variable
            for variable in self.student.non_trainable_variables
            if "float" in variable.dtype
        ]
        names = ("unlabeled", "unlabeled_strong")
        unlabeled = [self._images(inputs, name) for name in names if name in inputs]
        found = [
            [self._images(inputs, name) for name in inputs if name == "labeled"],
            unlabeled,
            *[[loss] for loss in losses],
            *[[]] * (3 - len(losses)),
            statistics,
        ]
        finite = replica_mean(ops.stack([all_finite(part) for part in found]))
        return ops.where(self.health.note(finite), 1.0, float("nan"))

    def _before_step(self):
        """Return what `_finish_step` needs of the time before a step."""
        # What a step changes before it is known to be finite.
        metrics = [self._loss_tracker, *self.training_metrics, self.image_scores]
        counts = itertools.chain(*(metric.variables for metric in metrics))
        withheld = [*self.student.non_trainable_variables, *counts]
        if self.max_skipped_steps is None:
            withheld = []
        return ops.copy(self._gradients_taken()), Snapshot(withheld)

    def _finish_step(self, taken, before):
        """Move the teacher, or take back a step that was not finite."""
        trained = self._gradients_taken() != taken
        if self.max_skipped_steps is not None:
            # A loss scale that was too large is no error, as long as it can fall.
            scaled = self.optimizer.dynamic_scale > 1.0
            failed = ops.logical_not(ops.logical_or(trained, scaled))
            bad = self.health.settle(failed, ops.convert_to_tensor(self.step))
            before.restore(where=bad)
        decay = self._teacher_decay()
        # Between two updates of the student the teacher waits too.
        updated = self._gradients_taken() % self._steps_per_update() == 0
        decay = ops.where(ops.logical_and(trained, updated), decay, 1.0)
        move_teacher(self.teacher.weights, self.student.weights, decay)
        self.step.assign_add(1)

    def _logs(self, logs, inputs):
        """Return the logs without a step that was withheld, and how it went."""
        if self.max_skipped_steps is None:
            return logs
        logs = {m.name: m.result() for m in self.metrics if m.name in logs}
        logs["health"] = ops.copy(self.health.variable)
        for name in _INDEXED:
            if f"{name}_index" in inputs:
                index = inputs[f"{name}_index"]
                logs[f"{name}_index"] = replica_concatenation(index)
        return logs

    def _named(self, images):
        """Return the names of images, or their positions where no names are known."""
        found = {}
        for name, positions in images.items():
            # Of several steps at once only the last one's are known; of several
            # processes only one's own.
            whole = getattr(positions, "is_fully_addressable", True)
            if whole and self.steps_per_execution == 1:
                positions = ops.convert_to_numpy(positions).tolist()
                names = self.image_names.get(name) or {}
                found[name] = [names[i] if names else i for i in positions]
        return found


def _split(images, parts):
    """Split a batch into parts of the sizes of `parts`."""
    stops = list(itertools.accumulate(ops.shape(part)[0] for part in parts))
    if len(stops) > 1 and all(isinstance(stop, int) for stop in stops):
        # The gradient of a split is one concatenation, that of slices a sum of pads.
        return ops.split(images, stops[:-1], axis=0)
    return [
        images[start:stop] for start, stop in zip([0, *stops[:-1]], stops, strict=True)
    ]


def _clone(student):
    """Return a built copy of a model, with weights of its own in the same order."""
    reason = None
    try:
        if isinstance(student, keras.Sequential) or student.layers[0].__class__ is (
            keras.layers.InputLayer
        ):
            clone = keras.models.clone_model(student)
            # That of a subclass of a graph may be a plain graph, in another order.
            if [v.path for v in clone.weights] == [v.path for v in student.weights]:
                return clone
        clone = student.__class__.from_config(student.get_config())
        if not clone.built:
            clone.build_from_config(student.get_build_config())
            clone.built = True  # Keras leaves that to whoever calls it
        if [v.shape for v in clone.weights] == [v.shape for v in student.weights]:
            return clone
    except (NotImplementedError, TypeError, ValueError) as error:
        reason = error
    raise ValueError(
        f"Keras can't clone the student, a {student.__class__.__name__}. Pass "
        "`teacher=`, a second model made the same way and built, or give the class "
        "`get_config`"
    ) from reason
