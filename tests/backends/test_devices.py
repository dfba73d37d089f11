"""Training on several devices is training on one, in real processes."""

import json
import os
import socket
import subprocess
import sys

import keras
import numpy as np
import programs
import pytest
from PIL import Image

import keras_imas

PROGRAM = programs.ROOT / "tests" / "distributed.py"


def train(devices, tmp_path, loss="crossentropy"):
    path = tmp_path / f"{devices}.npz"
    process = programs.run(PROGRAM, str(devices), path, loss, cwd=tmp_path)
    assert process.returncode == 0, process.stdout
    with np.load(path) as results:
        return dict(results)


def assert_equal(results, expected):
    assert results.keys() == expected.keys()
    assert len(expected["hardness"]) == 24  # each image once
    for name, value in expected.items():
        # Hardness is written with four decimals.
        atol = 1.1e-4 if name == "hardness" else 1e-5
        np.testing.assert_allclose(
            results[name], value, rtol=1e-5, atol=atol, err_msg=name
        )


@pytest.mark.tensorflow_only
@pytest.mark.parametrize(
    ("devices", "loss"),
    [
        (2, "crossentropy"),
        pytest.param(4, "crossentropy", marks=pytest.mark.full),
        pytest.param(2, "ohem", marks=pytest.mark.full),
        pytest.param(4, "ohem", marks=pytest.mark.full),
        pytest.param(2, "clipped", marks=pytest.mark.full),
        pytest.param(2, "dpt", marks=pytest.mark.full),
    ],
)
def test_mirrored_strategy(devices, loss, tmp_path):
    expected = train(1, tmp_path, loss)
    assert expected["log_supervised_loss"] > 0 and expected["log_consistency_loss"] > 0
    assert_equal(train(devices, tmp_path, loss), expected)


TWO_DEVICES = """
import keras
import numpy as np
import tensorflow as tf
import keras_imas
from keras_imas.backends.devices import strategy_scope

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
"""
TWO_RUNS = """
images = np.random.default_rng(0).uniform(0, 255, (4, 8, 8, 3)).astype("float32")
batch = {"labeled": images, "unlabeled": images, "unlabeled_strong": 255 - images}
for classes in (2, 3):
    with strategy_scope("mirrored") as replicas:
        layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(classes, 1)]
        model = keras_imas.IMAS(keras.Sequential(layers), seed=0)
        model.compile(keras.optimizers.SGD(1e-6))
    model.fit(batch, np.zeros((4, 8, 8), int), batch_size=4, verbose=0)
    print(classes, "classes on", replicas, "replicas")
"""


@pytest.mark.full
@pytest.mark.tensorflow_only
def test_two_trainings_of_one_process_on_two_devices(tmp_path):
    """Of other variables, of which the reductions must not meet."""
    process = programs.run("-c", TWO_DEVICES + TWO_RUNS, cwd=tmp_path)
    assert "3 classes on 2 replicas" in process.stdout, process.stdout


EVALUATED = """
images = np.random.default_rng(0).uniform(0, 255, (11, 8, 8, 3)).astype("float32")
labels = np.where(images[..., 0] < 99, 255, images[..., 1] % 3).astype("int32")
labels[-1, :5] = 255
for strategy in ("none", "mirrored"):
    keras.utils.set_random_seed(0)
    with strategy_scope(strategy):
        layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(3, 1)]
        model = keras_imas.IMAS(keras.Sequential(layers))
        model.compile(metrics=[keras_imas.metrics.MeanIoU(3, ignore_class=255)])
    found = model.evaluate(images, labels, batch_size=4, verbose=0)
    data = {"y": labels[:4], "validation_data": (images, labels)}
    logs = model.fit({"labeled": images[:4]}, **data, batch_size=4, verbose=0).history
    print(*found, logs["val_loss"][0], logs["val_mean_iou"][0])
"""


@pytest.mark.full
@pytest.mark.tensorflow_only
def test_an_evaluation_on_two_devices_is_that_on_one(tmp_path):
    process = programs.run("-c", TWO_DEVICES + EVALUATED, cwd=tmp_path)
    assert process.returncode == 0, process.stdout
    one, two = map(str.split, process.stdout.strip().splitlines()[-2:])
    one, two = np.float64(one), np.float64(two)
    np.testing.assert_allclose(two, one, rtol=1e-5)


@pytest.mark.full
@pytest.mark.jax_only
@pytest.mark.parametrize("loss", ["crossentropy", "dpt"])
def test_data_parallel(loss, tmp_path):
    assert_equal(train(8, tmp_path, loss), train(1, tmp_path, loss))


def run_two_processes(*command, cwd):
    """Run Python twice, as two hosts of one run; return what the two printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    processes = [
        subprocess.Popen(
            [sys.executable, *command],
            cwd=cwd,
            env={
                **os.environ,
                "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
                "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
                "KERAS_DISTRIBUTION_PROCESS_ID": str(rank),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=500)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    return outputs


@pytest.mark.full
@pytest.mark.jax_only
def test_two_processes(tmp_path):
    path = tmp_path / "both.npz"
    run_two_processes(PROGRAM, "1", path, "crossentropy", "several", cwd=tmp_path)
    with np.load(path) as results:
        assert_equal(dict(results), train(1, tmp_path))


def test_one_device_has_one_replica():
    from keras_imas.backends import replicas

    draws = keras.ops.ones((4, 2))
    assert replicas.replica_count() == 1
    assert replicas.replica_mean(draws) is draws
    assert replicas.own_part(draws) is draws


@pytest.mark.tensorflow_only
def test_several_workers_are_refused():
    from keras_imas.backends import devices

    class MultiWorkerMirroredStrategy:
        pass

    with pytest.raises(ValueError, match="Train on several hosts with JAX"):
        devices.check_strategy(MultiWorkerMirroredStrategy())


def test_strategies_that_cannot_be():
    from keras_imas.backends import devices

    with pytest.raises(ValueError, match="must be one of auto, none.*'cluster'"):
        devices.strategy_scope("cluster")
    jax = keras.backend.backend() == "jax"
    reason = "JOB_ADDRESSES to the address" if jax else "several hosts with JAX"
    with pytest.raises(ValueError, match=reason):
        devices.strategy_scope("multi_worker")
    if keras.backend.backend() == "torch":
        with pytest.raises(ValueError, match="one device with PyTorch"):
            devices.strategy_scope("mirrored")
    else:
        with pytest.raises(ValueError, match="There is no TPU"):
            devices.strategy_scope("tpu")
    with pytest.raises(ValueError, match="divide among 3 replicas. Received: 4"):
        devices.check_batch("labeled_batch_size", 4, 3)
    with pytest.raises(
        ValueError, match="among 2 replicas in groups of 4. Received: 4"
    ):
        devices.check_batch("labeled_batch_size", 4, 2, group_size=4)


ON_TWO_DEVICES = """
import os, sys
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
import keras
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
sys.path.insert(0, sys.argv.pop(1))
sys.argv[0] = "train_folder.py"
import train_folder
from absl import app
app.run(train_folder.main)
"""


@pytest.fixture
def photographs(tmp_path):
    """Twelve photographs, of which four have masks."""
    rng = np.random.default_rng(0)
    for number in range(12):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "masks").mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (40, 56, 3), dtype="uint8")
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
        if number < 4:
            mask = rng.integers(0, 3, (40, 56), dtype="uint8")
            Image.fromarray(mask).save(tmp_path / "masks" / f"{number}.png")
    return tmp_path


FLAGS = (
    "--images=images", "--masks=masks", "--num_classes=3", "--weights=none",
    "--crop_size=33", "--epochs=2", "--verbose=2",
)  # fmt: skip


@pytest.mark.full
@pytest.mark.parametrize("group_size", [2, 4])
def test_program_on_two_devices(group_size, photographs):
    if keras.backend.backend() == "torch":
        pytest.skip("Keras trains on one device with PyTorch")
    process = programs.run(
        "-c", ON_TWO_DEVICES, programs.ROOT / "examples", *FLAGS, "--strategy=mirrored",
        f"--pairing_group_size={group_size}",
        cwd=photographs,
    )  # fmt: skip
    if group_size == 4 and keras.backend.backend() == "tensorflow":
        assert process.returncode != 0
        assert "must divide among 2 replicas in groups of 4" in process.stdout
        assert not (photographs / "runs").exists()
        return
    assert process.returncode == 0, process.stdout
    assert "2 replicas." in process.stdout
    assert (photographs / "runs" / "folder-imas-1" / "teacher_last.keras").is_file()


@pytest.mark.full
def test_both_runs_of_a_comparison_train_on_all_devices(photographs):
    if keras.backend.backend() == "torch":
        pytest.skip("Keras trains on one device with PyTorch")
    (photographs / "val.txt").write_text("2\n3\n")
    (photographs / "labeled.txt").write_text("0\n1\n")
    (photographs / "unlabeled.txt").write_text("\n".join(map(str, range(4, 12))))
    layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(3, 3, padding="same")]
    keras.Sequential(layers).save(photographs / "network.keras")
    process = programs.run(
        "-c", ON_TWO_DEVICES, programs.ROOT / "examples", *FLAGS, "--strategy=mirrored",
        "--start_from=network.keras", "--learning_rate=1e-6",
        "--val_images=images", "--val_masks=masks", "--val=val.txt",
        "--labeled=labeled.txt", "--unlabeled=unlabeled.txt", "--labeled_batch_size=2",
        "--unlabeled_batch_size=4", "--pairing_group_size=2", "--epochs=1", "--compare",
        "--output_dir=both",
        cwd=photographs,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    for method in ("supervised", "imas"):
        run = json.loads((photographs / "both" / method / "run.json").read_text())
        assert run["replicas"] == 2


@pytest.mark.full
@pytest.mark.jax_only
def test_program_on_two_hosts(photographs):
    """The first writes and prints; both together train as one would."""
    program = programs.ROOT / "examples" / "train_folder.py"
    validation = ("--val_images=images", "--val_masks=masks", "--val=val.txt")
    (photographs / "val.txt").write_text("3\n")
    (photographs / "labeled.txt").write_text("0\n1\n2\n")
    (photographs / "unlabeled.txt").write_text("\n".join(map(str, range(4, 12))))
    flags = (
        *FLAGS, *validation, "--labeled=labeled.txt", "--unlabeled=unlabeled.txt",
        "--labeled_batch_size=2", "--unlabeled_batch_size=8", "--epochs=1",
    )  # fmt: skip
    first, second = run_two_processes(
        program, *flags, "--strategy=multi_worker", "--output_dir=both",
        cwd=photographs,
    )  # fmt: skip
    assert "2 replicas." in first and "| **mean** |" in first
    assert "replicas" not in second and "both" not in second
    alone = programs.run(program, *flags, "--output_dir=alone", cwd=photographs)
    assert alone.returncode == 0, alone.stdout
    # Of one step: rounding grows fast in a deep network of random weights.
    both, single = (
        json.loads((photographs / run / "history.jsonl").read_text())
        for run in ("both", "alone")
    )
    both_iou, single_iou = (history.pop("iou") for history in (both, single))
    assert both == pytest.approx(single, abs=2e-3)
    for network, iou in single_iou.items():
        assert both_iou[network] == pytest.approx(iou, abs=2e-3, nan_ok=True)


@pytest.fixture(params=["float32", "mixed_bfloat16"])
def precision(request):
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


OHEM = keras_imas.losses.OHEMCrossentropy(min_kept=100, group_size=2)


@pytest.mark.full
@pytest.mark.tensorflow_only
@pytest.mark.parametrize("loss", [None, OHEM], ids=["crossentropy", "ohem"])
def test_a_step_compiles_to_one_program_without_the_host(loss, precision):
    """What a TPU needs: static shapes, nothing that runs on the host, bfloat16."""
    import tensorflow as tf

    layers = keras.layers
    network = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Conv2D(4, 3, padding="same"),
         layers.BatchNormalization(), layers.Conv2D(3, 1)]
    )  # fmt: skip
    options = {"warp": 0.05, "class_thresholds": True}
    model = keras_imas.IMAS(network, pairing_group_size=2, seed=0, **options)
    model.compile(keras_imas.optimizers.SGD(0.01, momentum=0.9), loss)
    model.optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    inputs = {
        name: tf.constant(rng.uniform(0, 255, (4, 16, 16, 3)), tf.float32)
        for name in ("labeled", "unlabeled", "unlabeled_strong")
    }
    labels = tf.constant(rng.integers(0, 3, (4, 16, 16)), tf.int32)
    step = tf.function(
        lambda inputs, labels: model.train_step((inputs, labels)), jit_compile=True
    )
    step(inputs, labels)  # creates what is created at the first step
    program = step.experimental_get_compiler_ir(inputs, labels)(stage="hlo")
    for operation in ("outfeed", "infeed", " send(", " recv(", "callback", "<="):
        assert operation not in program.lower(), operation
    assert ("bf16[" in program) == (precision == "mixed_bfloat16")
    assert int(model.step) == 1
    assert step.experimental_get_tracing_count() == 1


class Counting(keras_imas.IMAS):
    """Counts how often Python runs a step: once a trace, except on PyTorch."""

    traces = 0

    def call(self, inputs, training=None):
        if training:
            type(self).traces += 1
        return super().call(inputs, training)


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param({"steps_per_execution": 2}, marks=pytest.mark.full),
        pytest.param({"jit_compile": True}, marks=pytest.mark.full),
        pytest.param(
            {"steps_per_execution": 2, "jit_compile": True}, marks=pytest.mark.full
        ),
    ],
)
def test_a_step_is_traced_once(options):
    if keras.backend.backend() == "torch":
        pytest.skip("PyTorch traces nothing")
    network = keras.Sequential(
        [keras.Input((16, 16, 3)), keras.layers.Conv2D(3, 3, padding="same")]
    )
    model = Counting(network, seed=0)
    model.compile("sgd", **options)
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (8, 16, 16, 3)).astype("float32")
    batch = {"labeled": images, "unlabeled": images, "unlabeled_strong": 255 - images}
    labels = rng.integers(0, 3, (8, 16, 16))
    options = dict(batch_size=2, epochs=2, verbose=0)
    evaluation = keras_imas.callbacks.Evaluation([(images, labels)], num_classes=3)
    history = model.fit(batch, labels, callbacks=[evaluation], **options).history
    assert np.isfinite(history["loss"]).all() and int(model.step) == 8
    traces = Counting.traces
    model.fit(batch, labels, callbacks=[evaluation], **options)
    assert int(model.step) == 16 and Counting.traces == traces
