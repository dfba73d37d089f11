"""The part of a recipe that says how unlabeled images are learned from."""

import dataclasses

import keras

from keras_imas.augment.strong_views import STRONG_VIEWS
from keras_imas.augment.two_views import TwoViews
from keras_imas.runs.flags import Flagged, field

METHODS = ("imas", "uniform", "supervised")


@dataclasses.dataclass(frozen=True)
class UnlabeledPart(Flagged):
    """The unlabeled part of a `keras_imas.runs.recipe.Recipe`.

    Example:
        >>> UnlabeledPart(method="uniform").imas_options()["adaptive_cutmix"]
        False
    """

    method: str = field(
        "imas",
        "imas, uniform (consistency training without hardness) or supervised (labeled "
        "images only), all under the same schedule.",
        choices=METHODS,
    )
    warmup_steps: int = field(
        0, "Supervised steps at the start (part of --steps).", least=0
    )
    rampup_steps: int = field(
        0, "Steps after the warm-up over which lambda grows linearly from 0.", least=0
    )
    confidence_threshold: float = field(0.7, "Lowest pseudo label confidence, tau.")
    class_thresholds: bool = field(
        False,
        "Lower tau to a class's mean confidence where that is less, so that more "
        "pixels of rare classes count.",
    )
    unlabeled_weight: float = field(
        3.0, "Weight of the consistency loss, lambda.", least=0
    )
    strong_view: str = field(
        "imas",
        "Colors of the strong view: imas (the paper's twelve operations), mild "
        "(without inversion and solarization, half the hue shift), jitter "
        "(brightness, contrast, saturation, hue; some gray, some blurred) or keras_cv "
        "(KerasCV's RandAugment without its geometry; only with tf.data).",
        choices=STRONG_VIEWS,
    )
    strong_views: int = field(
        1,
        "1: a strong view and a CutMix view (the paper); 2: two strong views with "
        "CutMix (UniMatch V2; with --cutmix_view=strong).",
    )
    warp: float = field(
        0.0,
        "Standard deviation of the smooth warp of the strong views, in sides of the "
        "crop: four points move, and the pseudo labels with them; 0: none.",
    )
    complementary_dropout: bool = field(
        False,
        "Drop complementary channels of the encoder's features in the two views.",
    )
    cutmix_view: str = field(
        "weak",
        "View to which CutMix is applied: weak (the paper) or strong.",
        choices=("weak", "strong"),
    )
    cutmix_range: tuple = field(
        (0.1, 0.9),
        "Smallest and largest side of CutMix boxes, as fractions of the crop.",
        of=float,
    )
    cutmix_area: tuple = field(
        (),
        "Smallest and largest area of CutMix boxes, as fractions of the crop; replaces "
        "--cutmix_range: each image has its own box and its own coin. UniMatch V2: "
        "0.02,0.4.",
        of=float,
    )
    cutmix_aspect: tuple = field(
        (0.3, 1 / 0.3),
        "Range of the height over width of CutMix boxes, with --cutmix_area.",
        of=float,
    )
    cutmix_probability: float = field(
        -1.0,
        "Probability that a batch, or with --cutmix_area an image, gets CutMix; -1: "
        "mean(1 - hardness) with --method=imas, else 1.",
    )
    ema_decay: float = field(0.996, "Largest decay of the teacher.")
    ema_copy_epochs: int = field(
        1, "Epochs after the warm-up in which the teacher copies the student.", least=0
    )
    background_class: int = field(
        -1, "Class with weight 0 in the hardness; -1: none. The paper's runs: 0."
    )
    pairing_group_size: int = field(
        0,
        "Unlabeled images that are ranked and mixed together; 0: the whole batch.",
        least=0,
    )

    def check_views(self):
        """Refuse what can't be the two views of an image.

        Raises:
            ValueError: See `keras_imas.augment.two_views.TwoViews`.
        """
        options = self.imas_options()
        TwoViews(**{f.name: options[f.name] for f in dataclasses.fields(TwoViews)})

    def imas_options(self):
        """Return the arguments of `keras_imas.IMAS` that this part says.

        Returns:
            Dict.
        """
        adaptive = self.method == "imas"
        return dict(
            confidence_threshold=self.confidence_threshold,
            class_thresholds=self.class_thresholds,
            unlabeled_weight=self.unlabeled_weight_schedule(),
            ema_decay=self.ema_decay,
            supervised_only_steps=self.warmup_steps,
            background_class=_or_none(self.background_class),
            strong_views=self.strong_views,
            warp=self.warp,
            complementary_dropout=self.complementary_dropout,
            cutmix_view=self.cutmix_view,
            cutmix_range=self.cutmix_range,
            cutmix_area=self.cutmix_area or None,
            cutmix_aspect=self.cutmix_aspect,
            cutmix_probability=_or_none(self.cutmix_probability),
            pairing_group_size=self.pairing_group_size or None,
            adaptive_intensity=adaptive,
            adaptive_cutmix=adaptive,
            hardness_weighting=adaptive,
        )

    def unlabeled_weight_schedule(self):
        """Return λ: a number, or a schedule where it is ramped up."""
        if not self.rampup_steps:
            return self.unlabeled_weight
        # Keras' cosine decay with a linear warm-up, that decays by nothing.
        return keras.optimizers.schedules.CosineDecay(
            0.0,
            decay_steps=1,
            alpha=1.0,
            warmup_target=self.unlabeled_weight,
            warmup_steps=self.rampup_steps,
        )


def _or_none(number):
    return None if number < 0 else number
