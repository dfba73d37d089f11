"""Semi-supervised semantic segmentation with iMAS, in Keras 3."""

from keras_imas import (
    augment,
    callbacks,
    data,
    evaluation,
    inference,
    losses,
    metrics,
    models,
    optimizers,
    teacher,
)
from keras_imas.imas import IMAS
from keras_imas.scoring import hardness

__version__ = "0.1.0"

__all__ = [
    "IMAS",
    "augment",
    "callbacks",
    "data",
    "evaluation",
    "hardness",
    "inference",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "teacher",
]
