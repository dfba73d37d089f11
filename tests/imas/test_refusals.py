"""What `IMAS` refuses."""

import keras
import numpy as np
import pytest
from keras import ops
from tiers import core_and_full
from tiny_imas import (
    CLASSES,
    HEIGHT,
    TRAINING_LOGS,
    WIDTH,
    Subclassed,
    assert_all_close,
    batch,
    compiled,
    conv_student,
    eager,
    images,
    label_maps,
    step,
    weights,
)

import keras_imas


@pytest.mark.parametrize(
    "options, match",
    [
        ({"confidence_threshold": 1.5}, r"`confidence_threshold` .*\[0, 1\].*1\.5"),
        ({"ema_decay": -0.1}, r"`ema_decay` .*\[0, 1\].*-0\.1"),
        ({"cutmix_probability": 2}, r"`cutmix_probability` .*\[0, 1\].*2"),
        ({"cutmix_range": (0.9, 0.1)}, r"`cutmix_range` .*increasing.*\(0\.9, 0\.1\)"),
        ({"cutmix_range": (0.1, 1.1)}, r"`cutmix_range` .*\[0, 1\].*\(0\.1, 1\.1\)"),
        ({"cutmix_area": (0.4, 0.1)}, r"`cutmix_area` .*increasing.*\(0\.4, 0\.1\)"),
        ({"cutmix_aspect": (0.0, 1)}, r"`cutmix_aspect` .*positive.*\(0\.0, 1\)"),
        ({"warp": 1.5}, r"`warp` .*\[0, 1\].*1\.5"),
        ({"strong_views": 3}, "`strong_views` must be 1 or 2.*=3"),
        ({"strong_views": 2}, "Pass cutmix_view=\"strong\".*'weak'"),
        ({"complementary_dropout": True}, "needs a student with a.*Dropout"),
        ({"ema_copy_steps": -1}, "`ema_copy_steps` .*negative.*-1"),
        ({"supervised_only_steps": -2}, "`supervised_only_steps` .*negative.*-2"),
        ({"auxiliary_weight": -0.5}, "`auxiliary_weight` .*negative.*-0.5"),
        ({"unlabeled_weight": -3.0}, "`unlabeled_weight` .*negative.*-3.0"),
        ({"pairing_group_size": 0}, "`pairing_group_size` .*positive.*0"),
    ],
)
def test_arguments_out_of_range(options, match):
    with pytest.raises(ValueError, match=match):
        keras_imas.IMAS(conv_student(), **options)


def test_student_without_weights():
    with pytest.raises(ValueError, match="`student` has no weights yet"):
        keras_imas.IMAS(keras.Sequential([keras.layers.Conv2D(CLASSES, 1)]))
    with pytest.raises(ValueError, match="`student` has no weights yet"):
        keras_imas.IMAS(Subclassed())


def without(name):
    return {key: value for key, value in batch(4, 4).items() if key != name}


@pytest.mark.parametrize(
    "options, inputs, match",
    [
        ({}, without("labeled"), "key 'labeled' is missing"),
        ({}, without("unlabeled_strong"), "key 'unlabeled_strong' is missing"),
        (
            {"strong_views": 2, "cutmix_view": "strong"},
            batch(4, 4),
            '"unlabeled_strong_2" is the second.*strong_views=2',
        ),
        (
            {},
            {**batch(4, 4), "unlabeled_strong_2": images(4)},
            '"unlabeled_strong_2" is the second.*strong_views=1',
        ),
        ({"background_class": 3}, batch(4, 4), r"`background_class` .*\[0, 3\).*=3"),
        ({"pairing_group_size": 3}, batch(4, 4), "divide.*group_size=3, a batch of 4"),
        ({"pairing_group_size": 1}, batch(4, 4), "needs 2 or more.*group_size=1"),
        ({}, batch(1, 1), "needs 2 or more.*batch of 1,"),
        (
            {},
            {**batch(4, 4), "unlabeled_strong": images(4, size=(6, 8))},
            r"two views.*\(4, 6, 7, 3\) and \(4, 6, 8, 3\)",
        ),
        (
            {},
            {**batch(4, 4), "unlabeled_valid": np.ones((4, 6, 8))},
            r"`valid_mask`.*\(4, 6, 7\).*\(4, 6, 8\)",
        ),
    ],
)
def test_batches_that_do_not_fit(options, inputs, match):
    model = compiled(keras_imas.IMAS(conv_student(), **options))
    labels = label_maps(len(inputs["unlabeled"]))
    with pytest.raises(ValueError, match=match):
        model.fit(inputs, labels, batch_size=4, verbose=0)


def test_crops_of_two_sizes():
    layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(CLASSES, 1)]
    model = compiled(keras_imas.IMAS(keras.Sequential(layers)))
    inputs = {**batch(4, 4), "labeled": images(4, size=(5, 7))}
    with pytest.raises(ValueError, match=r"one size.*\(4, 5, 7, 3\) and \(4, 6, 7"):
        model.fit(inputs, label_maps(4, size=(5, 7)), batch_size=4, verbose=0)


def test_one_unlabeled_image_is_enough_for_random_pairs():
    model = compiled(keras_imas.IMAS(conv_student(), adaptive_cutmix=False))
    assert set(step(model, batch(2, 1))) == TRAINING_LOGS


def test_a_last_batch_of_one_image():
    """Five images in batches of two: refused, rather than paired with itself."""
    model = compiled(keras_imas.IMAS(conv_student()))
    with pytest.raises(ValueError, match="needs 2 or more.*batch of 1,"):
        model.fit(batch(5, 5), label_maps(5), batch_size=2, verbose=0)


def test_a_student_of_classes_rather_than_logits():
    layers = [
        keras.Input((HEIGHT, WIDTH, 3)),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(CLASSES),
    ]
    model = compiled(keras_imas.IMAS(keras.Sequential(layers)))
    with pytest.raises(ValueError, match=r"\(batch, height, width, classes\)"):
        model.fit(batch(4, 4), label_maps(4), verbose=0)
    with pytest.raises(ValueError, match=r"\(batch, height, width, classes\)"):
        model.predict(images(2), verbose=0)


@pytest.mark.parametrize("value", [3, -1, 254])
def test_labels_that_are_no_class(value):
    labels = label_maps(4)
    labels[2, 3, 4] = value
    model = compiled(keras_imas.IMAS(conv_student()))
    before = weights(model.student)
    with pytest.raises(ValueError, match=rf"`y` contains {value}; .* 0 to 2 .*255"):
        model.fit(batch(4, 4), labels, verbose=0)
    assert_all_close(weights(model.student), before, rtol=0, atol=0)


class Labeled(keras.utils.PyDataset):
    """One batch, whose label maps hold a value."""

    def __init__(self, value, evaluates=False):
        super().__init__()
        self.labels = label_maps(4)
        self.labels[2, 3, 4] = value
        self.inputs = images(4) if evaluates else batch(4, 4)

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.inputs, self.labels


@pytest.mark.parametrize("value", core_and_full([3], [3, -1, 254]))
def test_labels_of_a_data_set_that_are_no_class(value):
    model = compiled(keras_imas.IMAS(conv_student()))
    before = weights(model.student) + weights(model.teacher)
    with pytest.raises(ValueError, match=f"label map of step 1 contains {value}; "):
        model.fit(Labeled(value), verbose=0)
    assert_all_close(weights(model.student) + weights(model.teacher), before, rtol=0)
    model.evaluate(Labeled(2, evaluates=True), verbose=0)
    with pytest.raises(ValueError, match=f"A label map contains {value}; "):
        model.evaluate(Labeled(value, evaluates=True), verbose=0)
    model.fit(Labeled(2), verbose=0)
    model.evaluate(Labeled(2, evaluates=True), verbose=0)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("max_skipped_steps", [0, None])
def test_a_label_that_is_no_class_in_any_batch_of_an_evaluation(
    place, max_skipped_steps
):
    model = compiled(
        keras_imas.IMAS(conv_student(), max_skipped_steps=max_skipped_steps)
    )
    labels = label_maps(2)
    assert np.isfinite(model.evaluate(images(2), labels, batch_size=1, verbose=0))
    labels[place, 3, 4] = 9
    with pytest.raises(ValueError, match="A label map contains 9; "):
        model.evaluate(images(2), labels, batch_size=1, verbose=0)
    with pytest.raises(ValueError, match="A label map contains 9; "):
        model.test_on_batch(images(2), labels)


def test_labels_may_be_of_any_ignore_class():
    model = eager(keras_imas.IMAS(conv_student(), ignore_class=-1))
    labels = label_maps(4, ignore_class=-1)
    history = model.fit({"labeled": images(4)}, labels, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_fit_wants_a_dict():
    model = compiled(keras_imas.IMAS(conv_student()))
    with pytest.raises(ValueError, match='`fit` must be a dict with "labeled"'):
        model.fit(images(4), label_maps(4), verbose=0)


@pytest.mark.parametrize("view", ["weak", "strong"])
def test_the_view_that_is_cut_mixed(view):
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
    model = keras_imas.IMAS(
        keras.Sequential(layers),
        cutmix_view=view,
        cutmix_probability=1.0,
        adaptive_intensity=False,
        seed=0,
    )
    images = {"weak": np.zeros((2, 8, 8, 3)), "strong": np.full((2, 8, 8, 3), 255.0)}
    batch = {
        "labeled": images["weak"],
        "unlabeled": images["weak"],
        "unlabeled_strong": images["strong"],
    }
    expected = model.student(images[view])
    np.testing.assert_allclose(
        ops.convert_to_numpy(model(batch)["second"]),
        ops.convert_to_numpy(expected),
        rtol=1e-5,
    )
    assert model.get_config()["cutmix_view"] == view


def test_an_unknown_view_to_cut_mix_is_refused():
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
    with pytest.raises(ValueError, match='`cutmix_view` must be "weak" or "strong"'):
        keras_imas.IMAS(keras.Sequential(layers), cutmix_view="both")


@pytest.mark.parametrize(
    ("scale", "dtype", "word"),
    [
        (1 / 255, "float32", "Multiply them by 255, unless"),
        (257, "uint16", "255 / 65535 for 16 bits, unless"),
        (-1, "float32", "Undo what normalized them"),
    ],
)
def test_images_of_another_range_are_told_in_prediction_too(scale, dtype, word):
    model = keras_imas.IMAS(conv_student())
    model.compile()
    rng = np.random.default_rng(0)
    values = (rng.integers(1, 255, (2, HEIGHT, WIDTH, 3)) * scale).astype(dtype)
    labels = np.zeros((2, HEIGHT, WIDTH), "int32")
    predictor = keras_imas.inference.Predictor(model.teacher)
    for call in (
        lambda: model.predict(values, verbose=0),
        lambda: model.evaluate(values, labels, verbose=0),
        lambda: list(predictor(values)),
    ):
        with pytest.warns(UserWarning, match=word):
            call()


def test_black_images_are_predicted_without_a_word(recwarn):
    predictor = keras_imas.inference.Predictor(conv_student())
    nearly = np.zeros((HEIGHT, WIDTH, 3), "float32")
    nearly[0, 0] = 1
    list(predictor([nearly]))
    assert not [w for w in recwarn if "0..255" in str(w.message)]


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, None, None)])
def test_a_student_of_channels_first_is_refused(shape):
    layers = [
        keras.Input(shape),
        keras.layers.Conv2D(5, 1, data_format="channels_first"),
    ]
    with pytest.raises(ValueError, match=r"\(None, 3, .*channels first. Put .*Permute"):
        keras_imas.IMAS(keras.Sequential(layers))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_of_16_bits_are_refused(dtype):
    """As the teacher's average would stand still."""

    def student(policy):
        conv = keras.layers.Conv2D(CLASSES, 1, dtype=policy)
        return keras.Sequential([keras.Input((HEIGHT, WIDTH, 3)), conv])

    with pytest.raises(ValueError, match=f"in {dtype}, .*kernel.*mixed_{dtype}"):
        keras_imas.IMAS(student(dtype))
    keras_imas.IMAS(student(f"mixed_{dtype}"))


def test_a_student_without_a_trainable_weight_is_refused():
    model = compiled(keras_imas.IMAS(conv_student()))
    model.student.trainable = False
    with pytest.raises(ValueError, match="No weight of the student is trainable"):
        model.fit(batch(4), label_maps(4), verbose=0)
