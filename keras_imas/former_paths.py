"""Modules under the names that they had before 0.1; a warning tells the new one."""

import importlib
import importlib.abc
import importlib.util
import sys
import warnings

FORMER = {
    "keras_imas.checkpoint": "keras_imas.training.checkpoint_store",
    "keras_imas.data.sources": "keras_imas.runs.sources",
    "keras_imas.distribution": "keras_imas.backends.devices",
    "keras_imas.experiment": "keras_imas.runs.experiment",
    "keras_imas.finite": "keras_imas.training.health",
    "keras_imas.lock": "keras_imas.files.lock",
    "keras_imas.prediction": "keras_imas.inference.image_files",
    "keras_imas.recipe": "keras_imas.runs.recipe",
    "keras_imas.stopping": "keras_imas.training.stop_signals",
}


UNTIL = "2027-06-30"


class _Moved(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name in FORMER:
            return importlib.util.spec_from_loader(name, self)
        return None

    def exec_module(self, module):
        name = module.__name__
        warnings.warn(
            f"{name} is now {FORMER[name]}. The former name works until {UNTIL}",
            FutureWarning,
            stacklevel=2,
        )
        sys.modules[name] = importlib.import_module(FORMER[name])


sys.meta_path.append(_Moved())
