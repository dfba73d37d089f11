"""Scenarios of runs that are cut short and started again."""

import os
import signal

import keras
from behaviours import facts, tiny

import keras_imas

SCENARIOS = ("resumed", "resumed_arrays", "resumed_after_signal")


class Stop(keras.callbacks.Callback):
    """Raise an error, or send a signal, at the end of a step; steps count from 1."""

    def __init__(self, at, by_signal=False):
        super().__init__()
        self.left, self.by_signal = at, by_signal

    def on_train_batch_end(self, batch, logs=None):
        """Count, and stop."""
        self.left -= 1
        if self.left == 0 and self.by_signal:
            os.kill(os.getpid(), signal.SIGTERM)
        elif self.left == 0:
            raise RuntimeError("The power went")


def _run(
    directory, stop=None, epochs=3, every=2, data=None, make_model=tiny.model, **options
):
    """Train a new model in a directory; return the model, and what was logged."""
    facts.fresh()
    model = make_model()
    held_out = [tiny.images(3, seed=2)]
    callbacks = [
        keras_imas.callbacks.Evaluation(held_out, tiny.CLASSES, every=2),
        keras_imas.callbacks.Checkpoint(directory, every=every),
    ]
    if stop:
        callbacks.insert(0, stop)
    return {
        "fit": facts.fit(
            model, *(data or ()), epochs=epochs, callbacks=callbacks, **options
        ),
        "variables": facts.variables(model),
        "evaluation": str(callbacks[-2].get_state()),
    }


def runs(directory, make, at, by_signal=False, **options):
    """Train at one go, and interrupted; with that, whether both end alike."""
    whole = _run(f"{directory}/whole", data=make(), **options)
    path = f"{directory}/parts"
    first = _run(path, Stop(at, by_signal), data=make(), **options)
    files = sorted(os.listdir(path))
    second = _run(path, data=make(), **options)
    longer = _run(path, data=make(), **{**options, "epochs": 4})
    return {
        "whole": whole,
        "interrupted": first,
        "files": files,
        "resumed": second,
        "longer": longer,
        "alike": str(whole["variables"] == second["variables"]),
    }


def resumed(directory):
    result = runs(directory, lambda: (tiny.batches(),), at=7)
    path = f"{directory}/short"
    _run(path, Stop(7), data=(tiny.batches(),))
    result["other length"] = _run(path, data=(tiny.batches(12),))["fit"]["error"]
    return result


def resumed_arrays(directory):
    return runs(directory, tiny.batch, at=5, batch_size=4)


def resumed_after_signal(directory):
    validation = tiny.images(3, seed=4)
    options = {"validation_data": validation, "validation_batch_size": 3}
    return {
        "amid": runs(
            f"{directory}/amid", lambda: (tiny.batches(),), 6, True, every=0, **options
        ),
        "at the end": runs(
            f"{directory}/end", lambda: (tiny.batches(),), 4, True, every=0, **options
        ),
    }
