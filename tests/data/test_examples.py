import subprocess
import sys

import numpy as np
import pytest

from keras_imas.data import as_examples, check_labels, evaluation

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 8, 10, 3), dtype="uint8")
LABEL_MAPS = np.random.default_rng(1).integers(0, 4, (5, 8, 10), dtype="uint8")


def dataset(images=IMAGES, label_maps=LABEL_MAPS, form="pair"):
    import tensorflow as tf

    structures = {
        "image": images,
        "pair": (images, label_maps),
        "dict": {"image": images, "label_map": label_maps},
        "tfds": {"image": images, "segmentation_mask": label_maps[..., None]},
        "tfds_streets": {"image_left": images, "segmentation_label": label_maps},
        "named": {
            "image": images,
            "label_map": label_maps,
            "name": [f"n{i}" for i in range(len(images))],
        },
    }
    return tf.data.Dataset.from_tensor_slices(structures[form])


def test_import_does_not_load_tensorflow():
    code = (
        "import os, sys; os.environ['KERAS_BACKEND'] = 'jax'; import keras_imas.data; "
        "raise SystemExit('tensorflow' in sys.modules or 'keras_cv' in sys.modules)"
    )
    pytest.importorskip("jax")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "source",
    [
        lambda: (IMAGES, LABEL_MAPS),
        lambda: [IMAGES.astype("float64"), LABEL_MAPS[..., None].astype("int64")],
        lambda: dataset(form="pair"),
        lambda: dataset(form="dict"),
        lambda: dataset(form="tfds"),
        lambda: dataset(form="tfds_streets"),
    ],
)
def test_labeled_sources(source):
    examples = as_examples(source())
    assert len(examples) == 5 and examples.labeled
    batches = list(evaluation(examples))
    for index, (image, label_map) in enumerate(batches):
        np.testing.assert_array_equal(image[0], IMAGES[index])
        np.testing.assert_array_equal(label_map[0], LABEL_MAPS[index])
        assert label_map.dtype.name == "int32"


@pytest.mark.parametrize("source", [lambda: IMAGES, lambda: dataset(form="image")])
def test_unlabeled_sources(source):
    examples = as_examples(source())
    assert len(examples) == 5 and not examples.labeled
    with pytest.raises(ValueError, match="no label maps"):
        evaluation(examples)


def test_examples_are_returned_as_they_are():
    examples = as_examples(IMAGES)
    assert as_examples(examples) is examples


def test_names_of_a_dataset_travel():
    examples = as_examples(dataset(form="named"))
    names = [e["name"].numpy() for e in examples.records.map(examples.read)]
    assert names == [b"n0", b"n1", b"n2", b"n3", b"n4"]


def test_dataset_of_unknown_or_infinite_size():
    with pytest.raises(ValueError, match="assert_cardinality"):
        as_examples(dataset().filter(lambda image, label_map: True))
    with pytest.raises(ValueError, match="repeat"):
        as_examples(dataset().repeat())
    with pytest.raises(ValueError, match="empty"):
        as_examples(dataset().take(0))


def test_wrong_shapes_and_types():
    with pytest.raises(ValueError, match=r"shape=\(5, 8, 10\)"):
        as_examples(IMAGES[..., 0])
    with pytest.raises(ValueError, match="5 elements"):
        as_examples(list(IMAGES))
    with pytest.raises(ValueError, match="label maps must have shape"):
        as_examples((IMAGES, LABEL_MAPS[:, :7]))
    with pytest.raises(ValueError, match="dtype=float32"):
        as_examples((IMAGES, LABEL_MAPS.astype("float32")))
    with pytest.raises(ValueError, match="dtype=float32"):
        as_examples(dataset(label_maps=LABEL_MAPS.astype("float32")))
    with pytest.raises(ValueError, match="not batched"):
        as_examples(dataset().batch(2))


@pytest.mark.parametrize("convert", [tuple, lambda pair: dataset(*pair)])
def test_check_labels(convert):
    label_maps = LABEL_MAPS.copy()
    label_maps[:, 0] = 255
    check_labels(convert((IMAGES, label_maps)), num_classes=4)
    label_maps[2, 5, 5] = label_maps[4, 5, 5] = 9
    with pytest.raises(ValueError) as error:
        check_labels(convert((IMAGES, label_maps)), num_classes=4)
    for name in ("#2", "#4"):
        assert f"`{name}` of examples: its label map contains 9;" in str(error.value)
    assert "0 to 3" in str(error.value) and "ignore_class=255" in str(error.value)
    with pytest.raises(ValueError, match="no label maps"):
        check_labels(IMAGES, num_classes=4)


def test_check_labels_compares_sizes():
    short = dataset().map(lambda image, label_map: (image, label_map[:7]))
    with pytest.raises(ValueError, match=r"`#0` .* is \[7, 10\], its image \[8, 10\]"):
        check_labels(short, num_classes=4)


def test_evaluation_keeps_order_and_the_last_batch():
    batches = evaluation((IMAGES, LABEL_MAPS), batch_size=2)
    assert len(batches) == 3
    images = np.concatenate([images for images, _ in batches])
    np.testing.assert_array_equal(images, IMAGES)
    assert images.dtype == np.float32


def test_evaluation_of_several_sizes():
    import tensorflow as tf

    mixed = dataset().concatenate(
        dataset().map(lambda image, label_map: (image[:6], label_map[:6]))
    )
    assert len(list(evaluation(mixed, batch_size=1))) == 10
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"`#5` is .*image_size="):
        list(evaluation(mixed, batch_size=2))


def test_evaluation_checks_class_ids():
    import tensorflow as tf

    with pytest.raises(tf.errors.InvalidArgumentError, match="allowed are 0 to 2"):
        list(evaluation((IMAGES, LABEL_MAPS), num_classes=3))
