"""Mixed precision: the networks compute in 16 bits, the method in 32."""

import contextlib
import itertools

import keras
import numpy as np
import programs
import pytest
from keras import ops
from tiers import core_and_full, full_on

import keras_imas
from keras_imas import teacher
from keras_imas.runs.recipe import PRECISIONS, Recipe

MIXED = PRECISIONS[1:]
RNG = np.random.default_rng(0)
COLORS = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200]], "float32")
LABELS = RNG.integers(0, 3, (8, 2, 2)).repeat(4, 1).repeat(4, 2)
IMAGES = COLORS[LABELS] + RNG.normal(0, 40, (8, 8, 8, 3)).astype("float32")


def network():
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((None, None, 3)), layers.Rescaling(1 / 127.5, -1),
         layers.Conv2D(16, 3, padding="same"), layers.BatchNormalization(momentum=0.9),
         layers.ReLU(), layers.Conv2D(3, 3, padding="same")]
    )  # fmt: skip


@pytest.fixture
def trained():
    """A function that trains in a precision and returns the model."""
    before = keras.config.dtype_policy()

    def train(precision="float32", **options):
        keras.config.set_dtype_policy(precision)
        try:
            keras.utils.set_random_seed(0)
            model = keras_imas.IMAS(network(), confidence_threshold=0.5, seed=0)
            model.compile(keras_imas.optimizers.SGD(0.1, momentum=0.9, **options))
            batch = {"labeled": IMAGES, "unlabeled": IMAGES}
            batch["unlabeled_strong"] = np.clip(1.4 * IMAGES - 40, 0, 255)
            history = model.fit(batch, LABELS, batch_size=4, epochs=8, verbose=0)
            return model, history.history
        finally:
            keras.config.set_dtype_policy(before)

    return train


@pytest.mark.parametrize("precision", MIXED)
def test_trains(trained, precision):
    model, logs = trained(precision)
    assert np.isfinite(list(logs.values())).all()
    assert logs["supervised_loss"][-1] < 0.5 * logs["supervised_loss"][0]
    weights = [*model.student.weights, *model.teacher.weights]
    assert {w.dtype for w in weights if "seed" not in w.path} == {"float32"}
    scaled = type(model.optimizer) is keras.optimizers.LossScaleOptimizer
    assert scaled == (precision == "mixed_float16")
    assert model.predict(IMAGES, verbose=0).dtype == np.float32


@pytest.mark.parametrize("precision", MIXED)
def test_hardness_is_that_of_float32(trained, precision):
    """Of a student that was trained, beside a teacher that differs."""
    model, _ = trained()
    trained_weights = model.student.get_weights()
    rng = np.random.default_rng(1)
    others = [w * rng.uniform(0.2, 1.8, w.shape) for w in trained_weights]
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    mixed = network()
    keras.config.set_dtype_policy(before)
    large = IMAGES.repeat(6, axis=1).repeat(6, axis=2)  # a pixel hardly counts
    large += rng.normal(0, 20, large.shape)
    hardness = []
    for student in (model.student, mixed):
        logits = []
        for weights in (trained_weights, others):
            student.set_weights(weights)
            logits.append(ops.convert_to_numpy(ops.cast(student(large), "float32")))
        scores = keras_imas.hardness(*logits, confidence_threshold=0.9)
        hardness.append(ops.convert_to_numpy(scores))
    assert np.ptp(hardness[0]) > 0.02
    np.testing.assert_allclose(*hardness, atol=2e-2)


def test_a_step_that_overflows_is_skipped(trained):
    model, _ = trained("mixed_float16")
    scale = 2.0**100
    model.optimizer.dynamic_scale.assign(scale)
    before = model.student.get_weights()
    teacher_before = model.teacher.get_weights()
    model.fit({"labeled": IMAGES}, LABELS, batch_size=8, epochs=1, verbose=0)
    for old, new in zip(teacher_before, model.teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    trainable = [
        not w.path.split("/")[-1].startswith("moving") for w in model.student.weights
    ]
    for old, new, is_trained in zip(
        before, model.student.get_weights(), trainable, strict=True
    ):
        if is_trained:
            np.testing.assert_array_equal(old, new)
    after = float(ops.convert_to_numpy(model.optimizer.dynamic_scale))
    assert after == scale / 2


ON_ONE_REPLICA = """
import keras, numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
import keras_imas
keras.config.set_dtype_policy("mixed_float16")
images = np.random.default_rng(0).uniform(0, 255, (4, 8, 8, 3)).astype("float32")
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(3, 1)]
    model = keras_imas.IMAS(keras.Sequential(layers), seed=0)
    sgd = keras.optimizers.SGD(1e-6)
    model.compile(keras.optimizers.LossScaleOptimizer(sgd, initial_scale=2.0**40))
for replica in range(2):
    labels = np.full((4, 8, 8), 255)
    labels[2 * replica : 2 * replica + 2] = 0
    before = model.student.get_weights()
    model.fit({"labeled": images}, labels, batch_size=4, shuffle=False, verbose=0)
    for old, new in zip(before, model.student.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    scale = keras.ops.convert_to_numpy(model.optimizer.dynamic_scale)
    print("scale", int(np.log2(scale)))
"""


@pytest.mark.full
@pytest.mark.tensorflow_only
def test_a_step_that_overflows_on_one_replica_is_skipped_on_all(tmp_path):
    process = programs.run("-c", ON_ONE_REPLICA, cwd=tmp_path)
    assert process.stdout.splitlines()[-2:] == ["scale 39", "scale 38"], process.stdout


def test_accumulation_under_loss_scaling(trained):
    """The teacher waits for the update there, too."""
    model, logs = trained("mixed_float16", gradient_accumulation_steps=2)
    assert np.isfinite(list(logs.values())).all()
    weights = []
    batch = {"labeled": IMAGES}
    for _ in range(3):
        weights.append(model.teacher.get_weights()[0])
        model.fit(batch, LABELS, batch_size=8, epochs=1, verbose=0)
    moved = [(a != b).any() for a, b in itertools.pairwise(weights)]
    assert moved == [False, True]


def test_small_increments_of_the_teacher_are_not_lost():
    """1,000 updates beside float64: an increment is 4e-7 of the weight, or less.

    What float32 allows is half its spacing over 1 - decay: 1.5e-5 of the weight.
    """
    value, exact = np.float32(1.0), 1.0
    value = ops.convert_to_tensor(value)
    for _ in range(1000):
        value = teacher.ema_update(
            value, ops.convert_to_tensor(np.float32(1.0001)), 0.996
        )
        exact = 0.996 * exact + 0.004 * float(np.float32(1.0001))
    assert float(ops.convert_to_numpy(value)) == pytest.approx(exact, abs=2e-5)
    assert exact - 1.0 > 9e-5


@pytest.mark.parametrize("precision", core_and_full(["float32"], PRECISIONS))
def test_recipe(precision):
    recipe = Recipe(precision=precision, weights="none", crop_size=33)
    before = keras.config.dtype_policy().name
    student = recipe.student(3, input_shape=(33, 33, 3))
    model = recipe.model(student, steps_per_epoch=1, epochs=1)
    assert keras.config.dtype_policy().name == before
    assert student.compute_dtype == model.compute_dtype == precision.split("_")[-1]
    scaled = type(model.optimizer) is keras.optimizers.LossScaleOptimizer
    assert scaled == (precision == "mixed_float16")
    with pytest.raises(ValueError, match="`precision` must be one of float32, "):
        Recipe(precision="float8")


@contextlib.contextmanager
def policy(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def test_a_student_in_float16_has_its_loss_scaled_whatever_the_policy_is_by_then():
    with policy("mixed_float16"):
        student = network()
    model = keras_imas.IMAS(student)
    model.compile("sgd")
    assert type(model.optimizer) is keras.optimizers.LossScaleOptimizer
    student = network()
    with policy("mixed_float16"):
        model = keras_imas.IMAS(student)
        model.compile("sgd")
    assert model.compute_dtype == "float32"
    assert type(model.optimizer) is not keras.optimizers.LossScaleOptimizer


@full_on("jax")
@pytest.mark.parametrize(
    "change",
    core_and_full(
        ["float32 to mixed_bfloat16"],
        ["float32 to mixed_bfloat16", "mixed_bfloat16 to float32"],
    ),
)
def test_training_goes_on_in_the_precision_asked_for(change, tmp_path):
    """`start_from` says which network, not in which precision it computes."""
    saved, wanted = change.split(" to ")
    path = str(tmp_path / "network.keras")
    of = dict(weights="none", crop_size=33)
    first = Recipe(precision=saved, **of).student(3, input_shape=(33, 33, 3))
    first.save(path)
    fresh = Recipe(precision=wanted, **of).student(3, input_shape=(33, 33, 3))
    fresh.set_weights(first.get_weights())
    recipe = Recipe(precision=wanted, start_from=path)
    student = recipe.student(3)
    model = recipe.model(student, steps_per_epoch=1, epochs=1)
    assert model.dtype_policy.name == wanted
    for layer, same in zip(student.layers, fresh.layers, strict=True):
        assert layer.compute_dtype == same.compute_dtype, layer.name
    images = RNG.uniform(0, 255, (2, 33, 33, 3)).astype("float32")
    before, same, after = (
        ops.convert_to_numpy(network(images)) for network in (first, fresh, student)
    )
    largest = np.abs(same).max()
    np.testing.assert_allclose(after, same, atol=1e-3 * largest)
    assert np.abs(after - before).max() > 5e-3 * largest
