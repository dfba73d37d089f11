"""Semi-supervised semantic segmentation with iMAS, in Keras 3."""

import importlib

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
from keras_imas import former_paths as _former_paths  # noqa: F401
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


def __getattr__(name):
    """Import a submodule where it is first used as an attribute."""
    module = f"{__name__}.{name}"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
