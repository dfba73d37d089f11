"""A recipe: all the numbers of a training run, once."""

import contextlib
import dataclasses

import keras
from absl import flags

from keras_imas.augment.strong_views import LABELED_VIEWS
from keras_imas.imas import IMAS
from keras_imas.losses import Crossentropy, OHEMCrossentropy
from keras_imas.models.frozen_encoder import freeze_encoder
from keras_imas.runs.class_weights import BALANCED, class_weights
from keras_imas.runs.flags import check_fields, field
from keras_imas.runs.optimization import OPTIMIZERS, Optimization
from keras_imas.runs.saved_networks import load_student
from keras_imas.runs.student_network import student_network
from keras_imas.runs.unlabeled_part import UnlabeledPart

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclasses.dataclass(frozen=True)
class Recipe(UnlabeledPart, Optimization):
    """The numbers of a training run; each is a flag of the training programs.

    Attributes are described by `help` in their definition, as the programs' `--help`
    shows it.

    Raises:
        ValueError: If a choice is none of those named, or a number out of its range.

    Example:
        >>> Recipe(method="uniform", steps=100).confidence_threshold
        0.7
    """

    backbone: str = field(
        "mobilenet_v2",
        "Encoder of a DeepLabV3+, or of a DPT: dinov2_small, ... Without a GPU: "
        "mobilenet_v2; with one: dinov2_small or _base; resnet50_deep_stem: paper.",
    )
    weights: str = field(
        "imagenet",
        "Weights of the encoder: imagenet (DINO: the public ones; downloaded at first "
        "use), a file (for DINO also a directory), or none.",
    )
    start_from: str = field(
        "",
        "Network to continue training from, such as a run's teacher_best.keras, or the "
        "run's directory; --backbone and other flags of the network have no effect.",
        path=True,
    )
    output_stride: int = field(16, "Pixels of the image per pixel of the features.")
    multi_grid: tuple = field(
        (),
        "Factors of the dilations of a ResNet's last three blocks; the paper: 1,2,4.",
    )
    auxiliary_head: bool = field(
        False, "Train a second classifier on stage 3, with weight 0.4."
    )
    sync_batch_norm: bool = field(
        False,
        "Batch statistics over all replicas of a TensorFlow strategy (on JAX they "
        "always are); no effect on one device.",
    )
    crop_size: int = field(129, "Side of the square crops in pixels.", least=1)
    scale_min: float = field(0.5, "Smallest random scale of the weak view.")
    scale_max: float = field(2.0, "Largest random scale of the weak view.")
    labeled_batch_size: int = field(4, "Labeled images per step.", least=1)
    unlabeled_batch_size: int = field(4, "Unlabeled images per step.", least=1)
    steps: int = field(3000, "Training steps; rounded up to whole epochs.", least=1)
    epochs: int = field(0, "Epochs, instead of --steps.", least=0)
    epoch_over: str = field(
        "unlabeled",
        "Images that an epoch passes over once: unlabeled, or labeled (the paper's "
        "supervised-only rows; with --method=supervised).",
        choices=("unlabeled", "labeled"),
    )
    max_skipped_steps: int = field(
        0,
        "Steps in a row to skip if a loss or gradient is NaN or infinite; one more "
        "stops the run, before it changes anything.",
        least=0,
    )
    labeled_weight: float = field(
        1.0, "Weight of the labeled loss; UniMatch V2: 0.5 for both losses.", least=0
    )
    labeled_view: str = field(
        "weak",
        "Colors of the labeled images: weak (unchanged, as in the paper), photometric "
        "(brightness, contrast and saturation; hardly the hue) or strong (as "
        "--strong_view says).",
        choices=LABELED_VIEWS,
    )
    class_weights: str = field(
        "",
        "Weights of the classes in the labeled loss: such as 1,1,5; or balanced, "
        "frequency^-1/2 in the labeled masks, scaled so that a mean pixel weighs 1. "
        "Empty: all have the same weight.",
    )
    ohem_min_kept: int = field(
        0, "Fewest pixels that OHEM keeps per group; 0: plain cross-entropy.", least=0
    )
    ohem_group_size: int = field(
        0,
        "Labeled images whose pixels OHEM ranks together; 0: the whole batch.",
        least=0,
    )
    evaluate_every: int = field(1, "Epochs from one evaluation to the next.", least=1)
    window: int = field(
        0, "Evaluate by a sliding window of this many pixels; 0: whole images.", least=0
    )
    size_multiple: int = field(
        0,
        "Pad whole images to multiples of this many pixels, as each size is compiled "
        "again; 0: 64 if there are more than 8 sizes, else no padding.",
        least=0,
    )
    scale: float = field(1.0, "Evaluate images enlarged by this factor.")
    flip: bool = field(False, "Evaluate the mean over the image and its mirror image.")
    precision: str = field(
        "float32",
        "float32, mixed_bfloat16 or mixed_float16 (with loss scaling) in the networks; "
        "weights, hardness, losses and the teacher's average stay in float32.",
        choices=PRECISIONS,
    )
    seed: int = field(0, "Seed of all random numbers.")

    def __post_init__(self):
        check_fields(self)
        self.check_views()
        if (
            self.class_weights
            and self.ohem_min_kept
            and self.confidence_threshold
            and self.method != "supervised"
        ):
            raise ValueError(
                "`class_weights`, `ohem_min_kept` and a threshold of pseudo labels let "
                "training collapse in all of five trials. Leave out one of them, such "
                "as by --class_weights=. Received: class_weights="
                f"{self.class_weights!r}, ohem_min_kept={self.ohem_min_kept}, "
                f"confidence_threshold={self.confidence_threshold}"
            )
        if self.class_weights != BALANCED:
            class_weights(self.class_weights)
        if self.epoch_over == "labeled" and self.method != "supervised":
            raise ValueError(
                f'`epoch_over="labeled"` is for method="supervised". Received: method='
                f"{self.method!r}"
            )
        if not self.scale > 0:
            raise ValueError(f"`scale` must be positive. Received: {self.scale}")
        if not 0 < self.scale_min <= self.scale_max:
            raise ValueError(
                "`scale_min` must be positive and at most `scale_max`. Received: "
                f"{self.scale_min} and {self.scale_max}"
            )

    def student(self, num_classes, *, input_shape=(None, None, 3), weights=True):
        """Build the network.

        Args:
            num_classes: Number of classes.
            input_shape: `(height, width, 3)`; `None` for any. Defaults to
                `(None, None, 3)`.
            weights: Whether to load the encoder's weights. Defaults to `True`.

        Returns:
            `keras.Model`, see `student_network`; with `start_from` the network of that
            file.
        """
        if self.start_from:
            return load_student(self.start_from, num_classes, self.precision)
        with self._dtype_policy():
            return student_network(
                self, num_classes, input_shape=input_shape, weights=weights
            )

    def model(
        self,
        student,
        *,
        steps_per_epoch,
        epochs,
        ignore_class=255,
        labeled_pixels=None,
        model_class=IMAS,
    ):
        """Build and compile the model that `fit` trains.

        Args:
            student: Built network.
            steps_per_epoch: Steps an epoch.
            epochs: Number of epochs.
            ignore_class: Label of pixels that don't count. Defaults to `255`.
            labeled_pixels: Number of labeled pixels of each class, for
                class_weights="balanced". Defaults to `None`: not known.
            model_class: `keras_imas.IMAS`, or a subclass. Defaults to `IMAS`.

        Returns:
            `keras_imas.IMAS`.
        """
        with self._dtype_policy():
            model = model_class(
                student,
                ema_copy_steps=self.ema_copy_epochs * steps_per_epoch,
                ignore_class=ignore_class,
                max_skipped_steps=self.max_skipped_steps,
                seed=self.seed,
                **self.imas_options(),
            )
        if self.freeze_encoder:  # of the student alone, so that the teacher is as usual
            freeze_encoder(model.student)
        model.compile(
            self.make_optimizer(epochs * steps_per_epoch),
            self._loss(ignore_class, labeled_pixels),
            loss_weights=None if self.labeled_weight == 1 else self.labeled_weight,
        )
        return model

    def _loss(self, ignore_class, labeled_pixels):
        weights = class_weights(self.class_weights, labeled_pixels)
        options = {"ignore_class": ignore_class, "class_weights": weights}
        if not self.ohem_min_kept:
            return Crossentropy(**options)
        return OHEMCrossentropy(
            min_kept=self.ohem_min_kept,
            group_size=self.ohem_group_size or None,
            **options,
        )

    def steps_per_epoch(self, labeled, unlabeled=None):
        """Return the number of steps in which an epoch passes over its images once.

        Args:
            labeled: Number of labeled images.
            unlabeled: Number of unlabeled images. Defaults to `None`: there are none.

        Returns:
            An integer, at least 1.

        Example:
            >>> Recipe(unlabeled_batch_size=4).steps_per_epoch(23, 344)
            86
        """
        if self.epoch_over == "labeled" or unlabeled is None:
            return max(labeled // self.labeled_batch_size, 1)
        return max(unlabeled // self.unlabeled_batch_size, 1)

    @contextlib.contextmanager
    def _dtype_policy(self):
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.precision)
        try:
            yield
        finally:
            keras.config.set_dtype_policy(before)

    @classmethod
    def from_flags(cls, defaults=None):
        """Return the recipe that the flags describe.

        If steps are given, they override the default epochs.

        Args:
            defaults: See `keras_imas.runs.flags.Flagged.from_flags`.

        Returns:
            A `Recipe`.
        """
        recipe = super().from_flags(defaults)
        if flags.FLAGS["steps"].present and not flags.FLAGS["epochs"].present:
            recipe = dataclasses.replace(recipe, epochs=0)
        return recipe


# Few masks need AdamW, balanced classes and labeled images in other light, and their
# teacher a supervised start and a high threshold. See docs/explanations/results.md.
SMALL_DATA = Recipe(
    optimizer="adamw",
    **OPTIMIZERS["adamw"],
    class_weights=BALANCED,
    labeled_view="photometric",
    warmup_steps=750,
    confidence_threshold=0.9,
    class_thresholds=True,
    unlabeled_weight=1.0,
    ema_decay=0.99,
    strong_view="jitter",
    cutmix_view="strong",
    cutmix_range=(0.14, 0.63),
    cutmix_probability=0.5,
)
