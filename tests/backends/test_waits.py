"""A training step on PyTorch: the host neither uploads numbers nor reads any back.

On a CPU neither is a wait, but both can be seen there, as PyTorch passes them by.
"""

import traceback

import keras
import numpy as np
import pytest
from keras import ops
from tiers import core_and_full

import keras_imas

pytestmark = pytest.mark.torch_only
ON_HOST = {
    # Draws are made on the host and uploaded whole, by copies that nothing waits for.
    "sample_draws": "the state of the draws",
    # On a CPU alone the guard asks whether there is something to restore.
    "restore": "a shortcut of CPUs",
}


class Waits:
    """Context that lists where numbers are made tensors, and tensors numbers."""

    def __enter__(self):
        import torch
        from torch.overrides import TorchFunctionMode
        from torch.utils._python_dispatch import TorchDispatchMode

        aten, tensor = torch.ops.aten, torch.Tensor
        seen = self.seen = []

        class Dispatched(TorchDispatchMode):
            names = {
                aten.lift_fresh.default: "upload",
                aten._local_scalar_dense.default: "read-back",
                aten.nonzero.default: "read-back of a size",
                aten.masked_select.default: "read-back of a size",
            }

            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                if function in self.names:
                    note(self.names[function])
                return function(*args, **(kwargs or {}))

        class Called(TorchFunctionMode):
            names = (tensor.cpu, tensor.numpy, tensor.tolist, tensor.__array__)

            def __torch_function__(self, function, types, args=(), kwargs=None):
                if function in self.names:
                    note("read-back")
                return function(*args, **(kwargs or {}))

        def note(what):
            frames = traceback.extract_stack()
            if not any(frame.name in ON_HOST for frame in frames):
                ours = [f for f in frames if "/keras_imas/" in f.filename] or frames
                seen.append(f"{what} at {ours[-1].filename}:{ours[-1].lineno}")

        self.modes = Dispatched(), Called()
        for mode in self.modes:
            mode.__enter__()
        return seen

    def __exit__(self, *error):
        for mode in reversed(self.modes):
            mode.__exit__(*error)


def make_model(loss=None, optimizer=None, **options):
    network = keras_imas.models.deeplab_v3_plus(
        5, backbone="mobilenet_v2", weights=None, auxiliary_head=True
    )
    model = keras_imas.IMAS(network, seed=0, **options)
    schedule = keras_imas.optimizers.PolynomialDecay(0.01, 100, warmup_steps=2)
    optimizer = optimizer or keras_imas.optimizers.SGD(
        schedule, momentum=0.9, l2=1e-4, multipliers={"decoder": 10.0}
    )
    model.compile(optimizer, loss)
    return model


def make_batch():
    rng = np.random.default_rng(0)
    names = ("labeled", "unlabeled", "unlabeled_strong")
    inputs = {
        name: ops.array(rng.uniform(0, 255, (2, 33, 33, 3)).astype("float32"))
        for name in names
    }
    inputs["unlabeled_valid"] = ops.ones((2, 33, 33), "bool")
    index = ops.zeros((2,), "int32")
    inputs |= {"labeled_index": index, "unlabeled_index": index}
    return inputs, ops.array(rng.integers(0, 5, (2, 33, 33)).astype("uint8"))


@pytest.fixture
def own_policy():
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)


@pytest.mark.parametrize(
    "precision", core_and_full(["float32"], ["float32", "mixed_bfloat16"])
)
def test_a_step_waits_for_nothing(precision, own_policy):
    keras.config.set_dtype_policy(precision)
    loss = keras_imas.losses.OHEMCrossentropy(
        min_kept=100, class_weights=[1.0, 2.0, 1.0, 1.0, 0.5]
    )
    options = {"warp": 0.05, "class_thresholds": True, "max_skipped_steps": 1}
    model = make_model(loss, background_class=0, **options)
    model.image_scores.track(3)
    model.train_on_batch(*make_batch())
    batch = make_batch()
    with Waits() as seen:
        model.train_step(batch)
    assert not seen, "\n".join(seen)


@pytest.mark.parametrize("optimizer", core_and_full(["adamw"], ["adam", "adamw"]))
def test_a_step_of_other_optimizers_waits_for_nothing(optimizer):
    optimizers = {
        "adam": keras.optimizers.Adam(1e-3),
        "adamw": keras_imas.optimizers.AdamW(1e-3),
    }
    model = make_model(
        optimizer=optimizers[optimizer],
        unlabeled_weight=keras.optimizers.schedules.CosineDecay(1.0, 10),
        supervised_only_steps=2,
        ema_copy_steps=2,
        pairing_group_size=2,
    )
    model.train_on_batch(*make_batch())
    batch = make_batch()
    with Waits() as seen:
        model.train_step(batch)
    assert not seen, "\n".join(seen)


def test_waits_are_seen():
    value = ops.ones((2,))
    with Waits() as seen:
        ops.maximum(value, 1.0)
        float(value[0])
        ops.convert_to_numpy(value)
    assert len(seen) >= 3
