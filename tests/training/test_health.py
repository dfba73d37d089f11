"""Steps whose loss is NaN: they change nothing, and are named."""

import warnings

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from programs import run

import keras_imas
from keras_imas.training.finite_updates import FiniteUpdates
from keras_imas.training.health import PARTS, NonFiniteError, all_finite

SIZE, BATCH = 8, 2
NAMES = {"labeled": ["road", "sky"], "unlabeled": ["u0", "u1"]}


def network():
    layers = keras.layers
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    x = layers.Conv2D(4, 3, padding="same")(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    return keras.Model(inputs, layers.Conv2D(3, 1, name="classifier")(x))


def imas(student=None, **options):
    model = keras_imas.IMAS(
        student or network(), seed=0, confidence_threshold=0.4, **options
    )
    model.compile(keras_imas.optimizers.SGD(0.01, momentum=0.9, l2=1e-4))
    model.image_names = NAMES
    return model


def batch(seed=0, count=BATCH):
    rng = np.random.default_rng(seed)
    names = ("labeled", "unlabeled", "unlabeled_strong")
    shape = (count, SIZE, SIZE)
    inputs = {
        name: rng.uniform(0, 255, (*shape, 3)).astype("float32") for name in names
    }
    inputs["unlabeled_valid"] = np.ones(shape, "float32")
    for name in ("labeled", "unlabeled"):
        inputs[f"{name}_index"] = np.arange(count, dtype="int32") % BATCH
    return inputs, rng.integers(0, 3, shape).astype("int32")


def state(model):
    """All that training changes and a bad step must not."""
    variables = [
        *model.student.weights,
        *model.teacher.weights,
        *model.optimizer.variables,
    ]
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def assert_same(before, after):
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def strict():
    """A model that stops at once, which has trained for two steps."""
    keras.utils.set_random_seed(0)
    model = imas(supervised_only_steps=1)
    for seed in range(2):
        model.train_on_batch(*batch(seed))
    return model


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("image", ["labeled", "unlabeled", "unlabeled_strong"])
def test_an_image_stops_before_anything_changes(strict, image, value):
    before = state(strict)
    step = int(ops.convert_to_numpy(strict.step))
    inputs, labels = batch()
    inputs[image][1, 2, 3, 0] = value
    with pytest.raises(NonFiniteError) as caught:
        strict.train_on_batch(inputs, labels)
    assert_same(before, state(strict))
    assert caught.value.step == step
    assert caught.value.parts == (f"the {image.split('_')[0]} images",)
    assert caught.value.images == NAMES
    said = str(caught.value)
    assert said.startswith(f"At step {step + 1} the {image.split('_')[0]} images were ")
    assert "labeled road, sky; unlabeled u0, u1" in said
    assert "max_skipped_steps=0" in said


class Pairs(keras.utils.PyDataset):
    """Two batches, of which the second has an image of NaN."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        inputs, labels = batch(index)
        inputs["unlabeled"][:, 0, 0] = np.nan if index else 0.0
        return inputs, labels


def test_images_of_a_data_set_are_named():
    model = imas()
    with pytest.raises(NonFiniteError, match="labeled road, sky; unlabeled u0, u1"):
        model.fit(Pairs(), verbose=0, shuffle=False)


def test_a_loss_is_named(strict):
    before = state(strict)
    weight = np.ones((BATCH, SIZE, SIZE), "float32")
    weight[1, 2, 3] = np.inf
    with pytest.raises(NonFiniteError) as caught:
        strict.train_on_batch(*batch(), sample_weight=weight)
    assert caught.value.parts == ("the supervised loss",)
    assert_same(before, state(strict))


def test_training_goes_on_afterwards(strict):
    """As if the bad step had not been: the random draws alone went on."""
    before = state(strict)
    logs = strict.train_on_batch(*batch(3), return_dict=True)
    assert np.isfinite(list(logs.values())).all()
    moved = [(a != b).any() for a, b in zip(before, state(strict), strict=True)]
    assert sum(moved) > len(moved) / 2


def test_a_batch_trains_after_one_of_wrong_labels(strict):
    inputs, labels = batch(3)
    labels[0, 0, 0] = 9
    before = state(strict)
    with pytest.raises(ValueError, match="contains 9; "):
        strict.train_on_batch(inputs, labels)
    assert_same(before, state(strict))
    strict.train_on_batch(*batch(3))
    moved = [(a != b).any() for a, b in zip(before, state(strict), strict=True)]
    assert sum(moved) > len(moved) / 2


@pytest.mark.parametrize("good_steps", [0, pytest.param(1, marks=pytest.mark.full)])
def test_a_model_that_was_saved_after_a_bad_batch_trains(
    strict, good_steps, tmp_path, recwarn
):
    inputs, labels = batch()
    inputs["labeled"][0] = np.nan
    with pytest.raises(NonFiniteError):
        strict.train_on_batch(inputs, labels)
    for seed in range(good_steps):
        strict.train_on_batch(*batch(seed))
    strict.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    before = state(loaded)
    loaded.train_on_batch(*batch())
    moved = [(a != b).any() for a, b in zip(before, state(loaded), strict=True)]
    assert sum(moved) > len(moved) / 2
    assert not [w for w in recwarn if "NaN" in str(w.message)]


def test_a_teacher_that_fails_is_noticed_where_hardness_has_no_effect():
    model = imas(
        adaptive_intensity=False, adaptive_cutmix=False, hardness_weighting=False
    )
    kernel, bias = model.teacher.get_layer("classifier").get_weights()
    model.teacher.get_layer("classifier").set_weights([kernel * np.nan, bias])
    before = model.student.get_weights()
    with pytest.raises(NonFiniteError, match="At step 1 the hardness was NaN"):
        model.train_on_batch(*batch())
    assert_same(before, model.student.get_weights())


def test_a_gradient_is_named_though_the_loss_is_finite():
    """That of a square root at 0 is infinite."""

    def root():
        inputs = keras.Input((SIZE, SIZE, 3))
        zero = keras.layers.Conv2D(3, 1, kernel_initializer="zeros")(inputs)
        return keras.Model(inputs, ops.sqrt(zero))

    model = imas(root(), teacher=root())
    before = model.student.get_weights() + model.teacher.get_weights()
    with pytest.raises(
        NonFiniteError, match="the gradient or the update was NaN or infinite"
    ):
        model.train_on_batch(*batch())
    assert_same(before, model.student.get_weights() + model.teacher.get_weights())


class BadAtFirst(keras.utils.PyDataset):
    """One batch, which has an image of NaN until it is told to be good."""

    good = False

    def __len__(self):
        return 1

    def __getitem__(self, index):
        inputs, labels = batch()
        inputs["labeled"][0, 0, 0] = 0.0 if self.good else np.nan
        return inputs, labels


def test_a_run_that_is_to_stop_does_so_though_it_validates_first(strict):
    inputs, labels = batch(1)
    data, before = BadAtFirst(), state(strict)
    mend = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: setattr(data, "good", True)
    )
    with pytest.raises(NonFiniteError, match="the labeled images were NaN"):
        strict.fit(
            data,
            validation_data=(inputs["labeled"], labels),
            epochs=2,
            callbacks=[mend],
            verbose=0,
        )
    assert data.good
    assert_same(before, state(strict))


def test_bad_steps_are_skipped_counted_and_stop_in_a_row(strict):
    """Five batches of which the second is bad, then two in a row."""
    model = imas(max_skipped_steps=1)
    inputs, labels = batch(count=5 * BATCH)
    bad = {name: value.copy() for name, value in inputs.items()}
    bad["labeled"][BATCH] = np.nan
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = model.fit(
            bad, labels, batch_size=BATCH, epochs=2, shuffle=False, verbose=0
        ).history
    said = [str(w.message) for w in caught if "Skipped" in str(w.message)]
    assert [text.split(" the ")[0] for text in said] == ["At step 2", "At step 7"]
    assert said[1].endswith("Skipped; 2 so far")
    assert np.isfinite(list(history.values())).all()
    assert all(np.isfinite(values).all() for values in state(model))
    assert int(ops.convert_to_numpy(model.step)) == 10
    assert int(ops.convert_to_numpy(model.optimizer.iterations)) == 8
    bad["labeled"][2 * BATCH] = np.inf
    model.fit(inputs, labels, batch_size=BATCH, shuffle=False, verbose=0)
    with (
        pytest.warns(UserWarning, match="At step 17 .* 3 so far"),
        pytest.raises(NonFiniteError, match="At step 18 .*2 in a row is more than"),
    ):
        model.fit(bad, labels, batch_size=BATCH, shuffle=False, verbose=0)
    # The step after it was on its way, and changed nothing either.
    assert int(ops.convert_to_numpy(model.optimizer.iterations)) == 8 + 5 + 1


def test_numbers_are_not_looked_at_where_that_is_asked_for():
    model = imas(max_skipped_steps=None)

    inputs, labels = batch()
    inputs["labeled"][0] = np.nan
    logs = model.train_on_batch(inputs, labels, return_dict=True)
    assert np.isnan(logs["loss"])


def test_max_skipped_steps_must_not_be_negative():
    with pytest.raises(ValueError, match="`max_skipped_steps` must not be negative"):
        keras_imas.IMAS(network(), max_skipped_steps=-1)


@pytest.mark.parametrize("rate", [np.nan, np.inf])
def test_an_update_that_is_not_finite_changes_nothing(rate):
    model = imas()
    model.compile(keras_imas.optimizers.SGD(0.01, momentum=0.9))
    model.train_on_batch(*batch())
    model.optimizer.learning_rate = rate
    before = state(model)
    with pytest.raises(NonFiniteError, match="the gradient or the update was NaN"):
        model.train_on_batch(*batch(1))
    assert_same(before, state(model))


def test_the_optimizer_is_the_one_that_was_passed():
    optimizer = keras.optimizers.AdamW(1e-9, weight_decay=1e8)
    model = imas()
    model.compile(optimizer)
    assert model.optimizer is optimizer
    kernel = model.student.layers[-1].kernel
    before = ops.convert_to_numpy(kernel).copy()
    model.optimizer.exclude_from_weight_decay(var_list=[kernel])
    model.train_on_batch(*batch())
    np.testing.assert_allclose(ops.convert_to_numpy(kernel), before, atol=1e-6)


def test_the_loss_is_scaled_as_the_optimizer_says():
    """By infinity here, so that a step shows whether it was scaled."""
    optimizer = keras.optimizers.SGD(1e-9, loss_scale_factor=np.inf)
    model = imas()
    model.compile(optimizer)
    assert optimizer.loss_scale_factor == np.inf
    with pytest.raises(NonFiniteError, match="the gradient or the update was NaN"):
        model.train_on_batch(*batch())


def update(optimizer, gradient, variable):
    """Take a gradient as the backend's trainer does."""
    if keras.backend.backend() != "jax":
        optimizer.apply([gradient], [variable])
        return
    optimizer.build([variable])
    values = [v.value for v in optimizer.variables]
    (value,), values = optimizer.stateless_apply(values, [gradient], [variable.value])
    variable.assign(value)
    for own, value in zip(optimizer.variables, values, strict=True):
        own.assign(value)


@pytest.mark.parametrize("kind", ["Adam", "SGD"])
@pytest.mark.parametrize("factor", [None, 8.0])
def test_finite_updates_are_those_of_the_optimizer(kind, factor):
    def weights(wrapped):
        keras.utils.set_random_seed(0)
        optimizer = getattr(keras.optimizers, kind)(0.1, loss_scale_factor=factor)
        optimizer = FiniteUpdates(optimizer) if wrapped else optimizer
        variable = keras.Variable([1.0, 2.0])
        for gradient in ([0.5, -1.0], [np.nan, 1.0], [0.1, 0.2]):
            if wrapped or np.isfinite(gradient).all():
                update(optimizer, ops.array(gradient), variable)
        return ops.convert_to_numpy(variable)

    np.testing.assert_array_equal(weights(True), weights(False))


IMAGES = st.sampled_from(["random", "black", "white", "grey"])


@settings(max_examples=15)
@given(
    labels=st.sampled_from(["random", "ignored", "one class"]),
    valid=st.sampled_from(["all", "none", "of one image"]),
    images=st.fixed_dictionaries(
        {name: IMAGES for name in ("labeled", "unlabeled", "unlabeled_strong")}
    ),
    scale=st.sampled_from([0.0, 1.0, 1e4, -1e4]),
)
def test_degenerate_batches_give_finite_results(strict, labels, valid, images, scale):
    """No label, no pixel, a class that never occurs, constant images, huge logits."""
    before = strict.student.get_weights()
    teacher = strict.teacher.get_weights()
    optimizer = [ops.convert_to_numpy(v) for v in strict.optimizer.variables]
    kernel, bias = strict.student.get_layer("classifier").get_weights()
    for model in (strict.student, strict.teacher):
        strong = [kernel * scale, bias + scale * np.array([1, -1, 0])]
        model.get_layer("classifier").set_weights(strong)
    inputs, label_map = batch(5)
    for name, kind in images.items():
        if kind != "random":
            inputs[name][:] = {"black": 0, "white": 255, "grey": 127.5}[kind]
    if labels != "random":
        label_map[:] = {"ignored": 255, "one class": 2}[labels]
    inputs["unlabeled_valid"][:] = valid == "all"
    if valid == "of one image":
        inputs["unlabeled_valid"][0] = 1
    logs = strict.train_on_batch(inputs, label_map, return_dict=True)
    after = [np.isfinite(values).all() for values in state(strict)]
    strict.student.set_weights(before)
    strict.teacher.set_weights(teacher)
    for variable, value in zip(strict.optimizer.variables, optimizer, strict=True):
        variable.assign(value)

    assert all(after)
    assert np.isfinite(list(logs.values())).all(), logs
    assert 0 <= logs["hardness"] <= 1
    if labels == "ignored":
        assert logs["supervised_loss"] == 0
    if valid == "none":
        assert logs["hardness"] == 1
        assert logs["consistency_loss"] == 0
        assert logs["pseudo_label_ratio"] == 0


@settings(max_examples=25)
@given(
    values=st.lists(
        st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False)
        | st.sampled_from([np.nan, np.inf, -np.inf]),
        min_size=1,
        max_size=5,
    )
)
def test_all_finite_is_that_of_numpy(values):
    tensors = [ops.array([value], "float32") for value in values]
    assert bool(all_finite(tensors)) == np.isfinite(np.float32(values)).all()


SEVERAL = """
import os, sys
sys.path[:0] = ["tests", "tests/training"]
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
import keras, numpy as np
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
from keras_imas.backends.devices import strategy_scope
strategy = "mirrored" if keras.backend.backend() == "tensorflow" else "auto"
with strategy_scope(strategy) as replicas:
    assert replicas == 2
    import test_health as t
    model = t.imas(max_skipped_steps=1)
    inputs, labels = t.batch(count=24)
    inputs["labeled_index"] = inputs["unlabeled_index"] = np.arange(24, dtype="int32")
    model.image_names = {}
    model.fit(inputs, labels, batch_size=8, shuffle=False, verbose=0)
    before = t.state(model)
    inputs["unlabeled"][6] = np.nan  # on the second replica alone
    inputs["unlabeled"][11] = np.nan
    try:
        model.fit(inputs, labels, batch_size=8, shuffle=False, verbose=0)
    except t.NonFiniteError as error:
        print(error)
    t.assert_same(before, t.state(model))
    print("same")
"""


@pytest.mark.full
@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="Keras trains on one device there"
)
def test_a_bad_image_on_one_replica_is_withheld_on_all(request):
    result = run("-c", SEVERAL, cwd=request.config.rootpath)
    assert result.returncode == 0, result.stdout
    said, same = result.stdout.strip().splitlines()[-2:]
    assert same == "same"
    assert "At step 5 the unlabeled images were NaN" in said
    everyone = ", ".join(map(str, range(8, 16)))
    assert f"labeled {everyone}; unlabeled {everyone}" in said


def test_parts_are_those_that_the_documentation_names(request):
    page = request.config.rootpath / "docs" / "explanations" / "reliability.md"
    text = page.read_text(encoding="utf-8")
    text = " ".join(text.split())
    for part in PARTS:
        assert part.removeprefix("the ") in text
