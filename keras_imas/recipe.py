"""A recipe: all the numbers of a training run, once."""

import dataclasses

from absl import flags

METHODS = ("imas", "uniform", "supervised")


def _field(default, help):
    return dataclasses.field(default=default, metadata={"help": help})


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The numbers of a training run; each is a flag of the example programs.

    Attributes are described by `help` in their definition, as the programs' `--help`
    shows it.

    Raises:
        ValueError: If `method` is not one of `METHODS`, or a number is not positive.

    Example:
        >>> Recipe(method="uniform", steps=100).confidence_threshold
        0.7
    """

    method: str = _field(
        "imas",
        "imas, uniform (consistency training without hardness) or supervised (labeled "
        "images alone), all under the same schedule.",
    )
    backbone: str = _field("mobilenet_v2", "Encoder of the DeepLabV3+.")
    weights: str = _field(
        "imagenet",
        "Weights of the encoder: imagenet (downloaded at first use), a file, or none.",
    )
    output_stride: int = _field(16, "Pixels of the image per pixel of the features.")
    crop_size: int = _field(129, "Side of the square crops in pixels.")
    scale_min: float = _field(0.5, "Smallest random scale of the weak view.")
    scale_max: float = _field(2.0, "Largest random scale of the weak view.")
    labeled_batch_size: int = _field(4, "Labeled images a step.")
    unlabeled_batch_size: int = _field(4, "Unlabeled images a step.")
    steps: int = _field(3000, "Training steps; rounded up to whole epochs.")
    epochs: int = _field(0, "Passes over the unlabeled images; overrides --steps.")
    warmup_steps: int = _field(0, "Of these, supervised steps at the start.")
    learning_rate: float = _field(0.01, "Of SGD; decays to 0 by a polynomial.")
    power: float = _field(0.9, "Power of that polynomial.")
    momentum: float = _field(0.9, "Momentum of SGD.")
    weight_decay: float = _field(5e-4, "L2 in the gradient, on all weights.")
    confidence_threshold: float = _field(0.7, "Confidence of a pseudo label, tau.")
    unlabeled_weight: float = _field(3.0, "Weight of the consistency loss, lambda.")
    ema_decay: float = _field(0.996, "Largest decay of the teacher.")
    background_class: int = _field(
        -1, "Class without weight in the hardness; -1: none. The paper's runs: 0."
    )
    pairing_group_size: int = _field(
        0, "Unlabeled images ranked and mixed among themselves; 0: the whole batch."
    )
    ohem_min_kept: int = _field(
        0, "Pixels a batch that OHEM keeps at least; 0: plain cross-entropy."
    )
    evaluate_every: int = _field(1, "Epochs from one evaluation to the next.")
    seed: int = _field(0, "Seed of everything that is random.")

    def __post_init__(self):
        if self.method not in METHODS:
            raise ValueError(
                f"`method` must be one of {', '.join(METHODS)}. Received: "
                f"{self.method!r}"
            )
        for name in (
            "crop_size",
            "labeled_batch_size",
            "unlabeled_batch_size",
            "steps",
            "evaluate_every",
        ):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"`{name}` must be positive. Received: {getattr(self, name)}"
                )

    def define_flags(self):
        """Define an absl flag for each number, with this recipe's as defaults."""
        define = {
            str: flags.DEFINE_string,
            int: flags.DEFINE_integer,
            float: flags.DEFINE_float,
        }
        for field in dataclasses.fields(self):
            define[field.type](
                field.name, getattr(self, field.name), field.metadata["help"]
            )

    @classmethod
    def from_flags(cls, defaults=None):
        """Return the recipe that the flags of `define_flags` ask for.

        Args:
            defaults: `Recipe` whose numbers count where a flag was not given. Defaults
                to `None`: those of `define_flags`.

        Returns:
            A `Recipe`.
        """

        def value(name):
            flag = flags.FLAGS[name]
            if defaults is None or flag.present:
                return flag.value
            return getattr(defaults, name)

        return cls(
            **{field.name: value(field.name) for field in dataclasses.fields(cls)}
        )
