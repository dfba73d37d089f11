"""Scenarios of two devices: TensorFlow's `MirroredStrategy`, JAX' `DataParallel`."""

import contextlib
import functools

import keras
from behaviours import facts, interruptions, tiny, training

import keras_imas

SCENARIOS = ("replicas", "replicas_skipped", "replicas_resumed")


def _model(compiled=dict, **options):
    """Return a model on all devices; `compiled` makes the arguments of `compile`."""
    if keras.backend.backend() == "tensorflow":
        scope = _strategy().scope()
        student = {"synchronized": True}
    else:
        keras.distribution.set_distribution(keras.distribution.DataParallel())
        scope, student = contextlib.nullcontext(), {}
    with scope:
        return tiny.model(tiny.network(**student), compiled(), **options)


@functools.cache
def _strategy():
    # One for all scenarios: of a second one in a process, TensorFlow would take the
    # reductions for the first one's.
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def replicas(directory):
    path = f"{directory}/hardness.parquet"
    model = _model(pairing_group_size=2)
    log = keras_imas.callbacks.HardnessLog(path, 16)
    images, labels = tiny.images(4, seed=2)
    result = {"fit": facts.fit(model, tiny.batches(), epochs=2, callbacks=[log])}
    result["rows"] = training.rows(path)
    result["arrays"] = training.trained(model)
    result["predict"] = facts.array(model.predict(images, verbose=0))
    result["evaluate"] = facts.arrays(model.evaluate(images, labels, verbose=0))
    return result


def replicas_skipped(directory):
    def compiled():  # there, as an optimizer has variables from the first
        loss = keras_imas.losses.OHEMCrossentropy(min_kept=300, group_size=2)
        return {"loss": loss, "optimizer": tiny.optimizer()}

    model = _model(compiled, max_skipped_steps=1)
    data = training.damaged(labeled=3, unlabeled=4)
    result = training.trained(model, training.damaged(labeled=3), shuffle=False)
    return result | {"stopped": training.trained(model, data, shuffle=False)}


def replicas_resumed(directory):
    return interruptions.runs(
        directory,
        (tiny.batches(),),
        at=7,
        make_model=lambda: _model(lambda: {"metrics": None}),
    )


for scenario in (replicas, replicas_skipped, replicas_resumed):
    scenario.devices = 2
