"""Semi-supervised semantic segmentation with iMAS, in Keras 3."""

import importlib
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from keras_imas.runs.loaded_run import load

__version__ = "0.1.0"

__all__ = [
    "IMAS",
    "augment",
    "callbacks",
    "data",
    "evaluation",
    "hardness",
    "inference",
    "load",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "teacher",
]


# Imported where they are first used, so that `import keras_imas` stays fast.
_LAZY = {"load": "keras_imas.runs.loaded_run"}


def __getattr__(name):
    """Import a submodule, or a name of one, where it is first used as an attribute."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    module = f"{__name__}.{name}"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def __dir__():
    return sorted({*globals(), *__all__})
