"""The part of a recipe that says how weights are updated."""

import dataclasses
from typing import Any

from absl import flags

from keras_imas.models.deeplab_v3_plus import HEAD
from keras_imas.optimizers import SGD, AdamW, PolynomialDecay
from keras_imas.runs.flags import Flagged, field

OPTIMIZERS: dict[str, dict[str, Any]] = {  # what their flags are where none is given
    "sgd": {"learning_rate": 0.01, "weight_decay": 5e-4, "learning_rate_warmup": 0},
    "adamw": {"learning_rate": 1e-3, "weight_decay": 0.01, "learning_rate_warmup": 100},
}


@dataclasses.dataclass(frozen=True)
class Optimization(Flagged):
    """The optimizer of a `keras_imas.runs.recipe.Recipe` and its learning rate.

    Example:
        >>> float(Optimization(learning_rate=0.5).make_optimizer(10).learning_rate)
        0.5
    """

    optimizer: str = field(
        "sgd",
        "sgd or adamw. If you change it, --learning_rate, --weight_decay and "
        "--learning_rate_warmup change too: to 0.001, 0.01 and 100 for adamw, to 0.01, "
        "0.0005 and 0 for sgd.",
        choices=OPTIMIZERS,
    )
    learning_rate: float = field(
        0.01, "Learning rate; decays to 0 by a polynomial.", least=0
    )
    learning_rate_warmup: int = field(
        0, "Steps over which the learning rate grows linearly at the start.", least=0
    )
    power: float = field(0.9, "Power of the learning rate's polynomial.")
    momentum: float = field(0.9, "Momentum of SGD.")
    weight_decay: float = field(
        5e-4,
        "SGD: L2 in the gradient, on all weights. AdamW: decoupled from the gradient, "
        "on kernels only.",
        least=0,
    )
    decoder_multiplier: float = field(
        1.0,
        "Learning rate factor of everything but the encoder; VOC: 10.",
        least=0,
    )
    decay_vectors: bool = field(
        False,
        "With AdamW: also decay biases and normalization parameters, as PyTorch does.",
    )
    freeze_encoder: bool = field(
        False,
        "Train only the head; the encoder's batch normalization keeps its statistics.",
    )
    clip_norm: float = field(
        0.0, "Largest norm of the gradient; 0: not clipped.", least=0
    )
    accumulation_steps: int = field(
        1,
        "Steps whose gradients are averaged into one update of student and teacher.",
        least=1,
    )

    def make_optimizer(self, steps):
        """Build the optimizer.

        Args:
            steps: Number of training steps, over which the learning rate decays to 0.

        Returns:
            `keras_imas.optimizers.SGD` or `keras_imas.optimizers.AdamW`.
        """
        schedule = PolynomialDecay(
            self.learning_rate,
            steps,
            power=self.power,
            warmup_steps=self.learning_rate_warmup,
        )
        options = dict(
            global_clipnorm=self.clip_norm or None,
            gradient_accumulation_steps=self.accumulation_steps
            if self.accumulation_steps > 1
            else None,
        )
        if self.decoder_multiplier != 1:
            options["multipliers"] = {HEAD: self.decoder_multiplier}
        if self.optimizer == "sgd":
            return SGD(schedule, self.momentum, l2=self.weight_decay, **options)
        options["decay_vectors"] = self.decay_vectors
        return AdamW(schedule, weight_decay=self.weight_decay, **options)

    @classmethod
    def from_flags(cls, defaults=None):
        """Return what the flags ask for; a given optimizer brings its own defaults.

        Args:
            defaults: See `keras_imas.runs.flags.Flagged.from_flags`.

        Returns:
            An object of this class.
        """
        asked = super().from_flags(defaults)
        usual = defaults.optimizer if defaults else flags.FLAGS["optimizer"].default
        if asked.optimizer == usual:
            return asked
        own = OPTIMIZERS[asked.optimizer]
        left = {k: v for k, v in own.items() if not flags.FLAGS[k].present}
        return dataclasses.replace(asked, **left)
