"""A training step on JAX: of the host it needs its batch, and nothing else."""

import keras
import pytest
from keras import ops

import keras_imas

if keras.backend.backend() != "jax":
    pytest.skip("of JAX alone", allow_module_level=True)

import jax


def test_a_step_uploads_nothing_but_its_batch():
    layers = [keras.Input((33, 33, 3)), keras.layers.Conv2D(5, 3)]
    network = keras.Sequential([*layers, keras.layers.BatchNormalization()])
    options = {"warp": 0.05, "class_thresholds": True, "max_skipped_steps": 1}
    model = keras_imas.IMAS(network, seed=0, **options)
    schedule = keras_imas.optimizers.PolynomialDecay(0.01, 100, warmup_steps=2)
    model.compile(keras_imas.optimizers.SGD(schedule, momentum=0.9, l2=1e-4))
    names = ("labeled", "unlabeled", "unlabeled_strong")
    images = ops.ones((2, 33, 33, 3))
    batch = {name: images for name in names}, ops.zeros((2, 33, 33), "int32")
    model.fit((batch for _ in range(2)), steps_per_epoch=2, verbose=0)
    step, taken = model.train_function, []

    def guarded(*args):
        # The batch itself comes by `device_put`, which is said.
        with jax.transfer_guard("disallow"):
            taken.append(step(*args))
        return taken[-1]

    model.train_function = guarded
    model.fit((batch for _ in range(2)), steps_per_epoch=2, verbose=0)
    assert len(taken) == 2
