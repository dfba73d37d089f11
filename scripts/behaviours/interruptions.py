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


def _run(directory, data, stop=None, every=2, make_model=None, **options):
    """Train a new model in a directory; return what was logged and has become of it."""
    facts.fresh()
    model = make_model() if make_model else tiny.model(compiled={"metrics": None})
    held_out = [tiny.images(3, seed=2)]
    evaluation = keras_imas.callbacks.Evaluation(held_out, tiny.CLASSES, every=2)
    checkpoint = keras_imas.callbacks.Checkpoint(directory, every=every)
    callbacks = [evaluation, checkpoint]
    if stop:
        callbacks.insert(0, stop)
    options = {"epochs": 2, **options}
    return {
        "fit": facts.fit(model, *data, callbacks=callbacks, **options),
        "variables": facts.variables(model),
        "evaluation": str(evaluation.get_state()),
    }


def runs(directory, data, at, by_signal=False, **options):
    """Train at one go, and interrupted; with that, whether both end alike."""
    whole = _run(f"{directory}/whole", data, **options)
    path = f"{directory}/parts"
    first = _run(path, data, Stop(at, by_signal), **options)
    files = sorted(os.listdir(path))
    second = _run(path, data, **options)
    return {
        "whole": whole,
        "interrupted": first,
        "files": files,
        "resumed": second,
        "alike": str(whole["variables"] == second["variables"]),
    }


def resumed(directory):
    data = (tiny.batches(),)
    result = runs(directory, data, at=7)
    path = f"{directory}/parts"
    result["longer"] = _run(path, data, epochs=3)
    result["other length"] = _run(path, (tiny.batches(12),), Stop(3), epochs=5)
    result["amid other"] = _run(path, data, epochs=5)
    return result


def resumed_arrays(directory):
    # With metrics of `compile`, which a backend may build late.
    options = {"make_model": tiny.model, "batch_size": 4}
    result = runs(directory, tiny.batch(), at=5, epochs=3, **options)
    longer = _run(f"{directory}/parts", tiny.batch(), epochs=4, **options)
    return result | {"longer": longer}


def resumed_after_signal(directory):
    data = (tiny.batches(),)
    validation = tiny.images(3, seed=4)
    options = {"validation_data": validation, "validation_batch_size": 3, "every": 0}
    return {
        name: runs(f"{directory}/{name}", data, at, True, **options)
        for name, at in (("amid", 6), ("at the end", 4))
    }
