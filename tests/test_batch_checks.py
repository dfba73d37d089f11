import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import keras_imas
from keras_imas.batch_checks import (
    check_image_range,
    check_keys,
    check_label_map,
    check_num_classes,
    check_two_classes,
    find_wrong_id,
)

UNLABELED = {"unlabeled": 0, "unlabeled_strong": 0}


@pytest.mark.parametrize(
    "batch",
    [
        {"labeled": 0},
        {"labeled": 0, "labeled_index": 0},
        {"labeled": 0, **UNLABELED},
        {"labeled": 0, **UNLABELED, "unlabeled_valid": 0, "unlabeled_index": 0},
    ],
)
def test_keys_that_go_together(batch):
    check_keys(batch)


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        ({"labeled": 0, "unlabelled": 0}, "'unlabelled'; did you mean 'unlabeled'"),
        (
            {"labeled": 0, **UNLABELED, "unlabeled_vaild": 0},
            "'unlabeled_vaild'; did you mean 'unlabeled_valid'",
        ),
        ({"labeled": 0, "weights": 0}, "unknown key 'weights'. It may hold: 'labeled'"),
        ({}, "'labeled' is missing, and every batch needs it. Received: no key"),
        (UNLABELED, "'labeled' is missing"),
        ({"labeled": 0, "unlabeled": 0}, "'unlabeled_strong' is missing"),
        ({"labeled": 0, "unlabeled_strong": 0}, "'unlabeled' is missing, and a batch"),
        ({"labeled": 0, "unlabeled_index": 0}, "'unlabeled' is missing"),
    ],
)
def test_unknown_and_missing_keys(batch, words):
    with pytest.raises(ValueError, match=words.replace(".", r"\.")):
        check_keys(batch)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.full(3, 0.5), "float64 with values from 0.5 to 0.5. Multiply them by 255"),
        (np.array([0, 1], "uint8"), "Multiply them by 255"),
        (np.array([True, False]), "bool with values from 0 to 1. Multiply them by 255"),
        (np.array([0, 65535], "uint16"), "255 / 65535 for 16 bits"),
        (np.array([0, 4000], "int16"), "255 / 4095 for 12 bits"),
        (np.array([-128, 127], "int8"), 'astype("uint8")'),
        (np.array([-2.1, 2.6], "float32"), "Undo what normalized them"),
        (np.array([0, np.nan], "float16"), "NaN or infinite"),
        (np.array([0, np.inf], "float16"), "NaN or infinite"),
    ],
)
def test_images_of_another_range(images, words):
    with pytest.raises(ValueError, match="`photos` must be 0..255 RGB") as error:
        check_image_range(images, "photos")
    assert words in str(error.value)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int64", "float16", "float32", "float64"]
)
@pytest.mark.parametrize("values", [(0, 0), (0, 2), (5, 127)])
def test_images_of_any_dtype_in_range(dtype, values):
    check_image_range(np.array(values, dtype))


def test_what_resizing_rounds_is_in_range():
    check_image_range(np.array([-1e-5, 255.00003], "float32"))
    for value in (-0.5, 256):
        with pytest.raises(ValueError, match=r"must be 0\.\.255"):
            check_image_range(np.array([100, value], "float32"))


def test_numbers_of_classes():
    for right in ((None,), (2,), (255,), (300, -1), (300, 65535), (21, 0)):
        check_num_classes(*right)
    for wrong in (1, 0, -3):
        with pytest.raises(ValueError, match="background is a class too"):
            check_num_classes(wrong)
    with pytest.raises(ValueError, match="ignore_class=255 is one of the classes 0 to"):
        check_num_classes(300)


def test_one_class_and_nothing_else():
    for right in ([0, 1, 255], [0, 0, 0], [255, 255], []):
        check_two_classes(np.array(right, int))
    with pytest.raises(ValueError, match="hold class 1 and 255 alone"):
        check_two_classes(np.array([255, 1, 1]))
    with pytest.raises(ValueError, match="hold class 3 and -1 alone"):
        check_two_classes(np.array([[3, -1]]), ignore_class=-1)


@given(
    st.lists(st.sampled_from([0, 1, 3, 4, 9, 254, 255, -1, -9999]), min_size=1),
    st.sampled_from([255, -1, -9999, 0, None]),
)
def test_a_wrong_id_is_found_and_named(labels, ignore):
    wrong = [label for label in labels if not 0 <= label < 4 and label != ignore]
    tensor = keras.ops.convert_to_tensor(labels, "int32")
    found, label = find_wrong_id(tensor, 4, ignore)
    assert bool(found) == bool(wrong)
    if wrong:
        assert int(label) == max(wrong)
        with pytest.raises(ValueError, match="allowed are 0 to 3") as error:
            check_label_map(tensor, 4, ignore, "`a`")
        assert f"`a` contains {wrong[0]};" in str(error.value)
    else:
        check_label_map(tensor, 4, ignore)


@pytest.mark.parametrize("wrong", [0.5, float("nan"), 3.999])
def test_fractions_are_no_ids(wrong):
    labels = keras.ops.convert_to_tensor([0.0, 1.0, wrong])
    assert bool(find_wrong_id(labels, 4)[0])
    with pytest.raises(ValueError, match=f"contains {wrong:g}"):
        check_label_map(labels, 4)
    assert not bool(find_wrong_id(labels[:2], 4)[0])


def test_bool_labels_are_two_classes():
    labels = keras.ops.convert_to_tensor([True, False])
    assert not bool(find_wrong_id(labels, 2)[0])
    check_label_map(labels, 2)


def small_model():
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
    model = keras_imas.IMAS(keras.Sequential(layers), seed=0)
    model.compile(keras.optimizers.SGD(1e-4))
    return model


def arrays(**counts):
    rng = np.random.default_rng(0)
    names = ("labeled", "unlabeled", "unlabeled_strong")
    return {n: rng.uniform(0, 255, (counts.get(n, 4), 8, 8, 3)) for n in names}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_weight": {0: 1.0, 1: 9.0}}, r"class_weights=\[1.0, 9.0\]"),
        ({"validation_split": 0.5}, "validation_data"),
    ],
)
def test_fit_refuses_what_means_something_else(options, message):
    with pytest.raises(ValueError, match=message):
        small_model().fit(arrays(), np.zeros((4, 8, 8), int), verbose=0, **options)


def test_fit_refuses_arrays_of_different_lengths():
    with pytest.raises(ValueError, match="'unlabeled': 6.*semi_supervised"):
        data = arrays(unlabeled=6, unlabeled_strong=6)
        small_model().fit(data, np.zeros((4, 8, 8), int), verbose=0)


def test_fit_warns_of_images_from_0_to_1():
    data = {name: images / 255 for name, images in arrays().items()}
    with pytest.warns(UserWarning, match="Multiply them by 255"):
        small_model().fit(data, np.zeros((4, 8, 8), int), verbose=0)
