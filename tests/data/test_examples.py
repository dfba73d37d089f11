import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image
from tiers import core_and_full

from keras_imas import IMAS
from keras_imas.data import (
    as_examples,
    check,
    check_labels,
    evaluation,
    from_folder,
    semi_supervised,
    supervised,
)

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


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (IMAGES / np.float32(255), "Multiply them by 255"),
        (IMAGES.astype("uint16") * 257, "255 / 65535 for 16 bits"),
        (IMAGES.astype("int8"), 'astype("uint8")'),
        (IMAGES / 127.5 - 1, "Undo what normalized them"),
        (np.where(IMAGES > 9, np.float16("inf"), 1), "NaN or infinite"),
        (IMAGES > 99, "Multiply them by 255"),
    ],
)
@pytest.mark.parametrize("labeled", [False, True])
@pytest.mark.parametrize("as_dataset", [False, True])
def test_images_of_another_range(images, words, labeled, as_dataset):
    import tensorflow as tf

    source = (images, LABEL_MAPS) if labeled else images
    if as_dataset:
        source = tf.data.Dataset.from_tensor_slices(source)
    with pytest.raises(ValueError, match="must be 0..255 RGB") as error:
        as_examples(source)
    assert words in str(error.value)


@pytest.mark.parametrize(
    "dtype",
    core_and_full(
        ["uint16", "float64"],
        ["int16", "uint16", "int64", "uint64", "float16", "float64"],
    ),
)
@pytest.mark.parametrize("as_dataset", [False, True])
def test_the_same_pixels_in_any_dtype(dtype, as_dataset):
    images, labels = IMAGES.astype(dtype), LABEL_MAPS
    sources = [(images, labels), images]
    if as_dataset:
        sources = [dataset(images, labels), dataset(images, labels, "image")]
    options = {"crop_size": 8, "unlabeled_batch_size": 5, "flip": False}
    for inputs, _ in semi_supervised(*sources, **options, scale_range=(1, 1)):
        for key in ("labeled", "unlabeled"):
            whole = np.asarray(inputs[key])
            assert whole.dtype == np.float32 and (whole == np.floor(whole)).all()
            assert 100 < whole.mean() < 155


def test_black_images_are_right():
    for black in (np.zeros((2, 4, 4, 3)), np.zeros((2, 4, 4, 3), bool)):
        assert len(as_examples(black)) == 2


def test_an_image_out_of_range_behind_the_first_ones():
    import tensorflow as tf

    images = np.repeat(IMAGES.astype("float32"), 2, axis=0)
    images[7, 0, 0] = 256, np.nan, 0
    examples = as_examples(tf.data.Dataset.from_tensor_slices(images))
    with pytest.raises(tf.errors.InvalidArgumentError, match="`#7` must be 0..255 RGB"):
        list(examples.records.map(examples.read))


@pytest.mark.parametrize(
    ("channels", "words"), [(1, "Repeat the grey channel"), (13, "Choose 3 of the 13")]
)
def test_other_numbers_of_channels(channels, words):
    import tensorflow as tf

    images = np.zeros((2, 4, 4, channels), "uint8")
    for source in (images, tf.data.Dataset.from_tensor_slices(images)):
        with pytest.raises(ValueError, match=words):
            as_examples(source)

    def rows():
        yield from images

    unknown = tf.data.Dataset.from_generator(
        rows, output_signature=tf.TensorSpec((None, None, None), tf.uint8)
    )
    unknown = unknown.apply(tf.data.experimental.assert_cardinality(2))
    examples = as_examples(unknown)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`#0` must be .* RGB"):
        list(examples.records.map(examples.read))


@pytest.mark.parametrize("dtype", ["bool", "int64", "uint32", "int8"])
def test_label_maps_of_any_integers(dtype):
    labels = (LABEL_MAPS % 2).astype(dtype)
    for source in ((IMAGES, labels), dataset(label_maps=labels)):
        for index, (_, found) in enumerate(evaluation(source)):
            np.testing.assert_array_equal(found[0], labels[index])


def test_weights_are_refused_as_they_are_not_read():
    import tensorflow as tf

    parts = IMAGES, LABEL_MAPS, np.ones(LABEL_MAPS.shape)
    with pytest.raises(ValueError, match="Received: 3 parts. Weights are not read"):
        as_examples(tf.data.Dataset.from_tensor_slices(parts))


@pytest.mark.parametrize("wrong", [2**32 + 1, -(2**63)])  # as what NaN becomes
def test_ids_that_would_wrap_around(wrong):
    import tensorflow as tf

    labels = LABEL_MAPS.astype("int64")
    labels[3, 2, 2] = wrong
    with pytest.raises(ValueError, match=f"must hold class ids. Received: {wrong}"):
        as_examples((IMAGES, labels))
    with pytest.raises(tf.errors.InvalidArgumentError, match="`#3` must hold class"):
        list(evaluation(dataset(label_maps=labels)))


@pytest.mark.parametrize(
    ("key", "meant"), [("lable_map", "label_map"), ("label_maps", "label_map")]
)
def test_misspelt_keys_of_a_dataset(key, meant):
    import tensorflow as tf

    rows = {"image": IMAGES, key: LABEL_MAPS}
    with pytest.raises(ValueError, match=f"{key!r}; did you mean {meant!r}"):
        as_examples(tf.data.Dataset.from_tensor_slices(rows))
    rows = {"image": IMAGES, "label": np.arange(5), "label_map": LABEL_MAPS}
    assert as_examples(tf.data.Dataset.from_tensor_slices(rows)).labeled
    del rows["label_map"]  # that of a photograph as a whole is no label map
    assert not as_examples(tf.data.Dataset.from_tensor_slices(rows)).labeled


@pytest.mark.parametrize("num_classes", [1, 0])
def test_one_class_is_none(num_classes):
    for function in (evaluation, check_labels):
        with pytest.raises(ValueError, match="`num_classes` must be 2 or more"):
            function((IMAGES, LABEL_MAPS), num_classes=num_classes)
    options = {"crop_size": 8, "num_classes": num_classes}
    with pytest.raises(ValueError, match="`num_classes` must be 2 or more"):
        supervised((IMAGES, LABEL_MAPS), **options)
    with pytest.raises(ValueError, match="`num_classes` must be 2 or more"):
        semi_supervised((IMAGES, LABEL_MAPS), IMAGES, **options)


def test_arrays_with_an_object_of_255():
    labels = np.where(LABEL_MAPS > 1, 255, 0)
    with pytest.raises(ValueError, match="class 0 and 255 alone.*give it the id 1"):
        supervised((IMAGES, labels), crop_size=8, num_classes=2)
    with pytest.raises(ValueError, match="class 0 and 255 alone"):
        semi_supervised((IMAGES, labels), IMAGES, crop_size=8)
    with pytest.raises(ValueError, match="class 0 and 255 alone"):
        check_labels((IMAGES, labels), num_classes=2)


def test_labeled_images_among_the_unlabeled_ones(tmp_path):
    for part, pixels in (("images", IMAGES), ("masks", LABEL_MAPS)):
        (tmp_path / part).mkdir()
        for index, picture in enumerate(pixels):
            Image.fromarray(picture).save(tmp_path / part / f"{index}.png")
    labeled = from_folder(tmp_path / "images", tmp_path / "masks", ["0", "1"])
    unlabeled = from_folder(tmp_path / "images")
    with pytest.raises(ValueError, match="2 images are both in"):
        semi_supervised(labeled, unlabeled, crop_size=8)
    batches = semi_supervised(labeled, unlabeled, crop_size=8, allow_shared=True)
    assert len(batches) == 1
    parts = {"labeled": labeled, "unlabeled": unlabeled}
    assert len(check(parts, 4).errors) == 2
    assert check(parts, 4, allow_shared=True).errors == []


def test_partly_labeled_images_among_the_unlabeled_ones():
    """Pixels without a label learn from pseudo labels, and from nothing else."""
    labels = LABEL_MAPS.copy()
    labels[:, :, 4:] = 255
    batches = semi_supervised(
        (IMAGES, labels),
        IMAGES,
        crop_size=(8, 10),
        scale_range=(1.0, 1.0),
        labeled_batch_size=5,
        unlabeled_batch_size=5,
        allow_shared=True,
    )
    ((inputs, label_map),) = batches.as_numpy_iterator()
    assert (np.sort((label_map == 255).sum((1, 2))) == 8 * 6).all()
    assert (inputs["unlabeled_valid"] == 1).all()
    network = keras.Sequential([keras.Input((8, 10, 3)), keras.layers.Conv2D(4, 1)])
    model = IMAS(network, confidence_threshold=0.0, hardness_weighting=False, seed=0)
    model.compile(keras.optimizers.SGD(0.0))
    logs = model.fit(batches, verbose=0).history
    assert logs["pseudo_label_ratio"] == [1.0]  # of all pixels, ignored ones included
    assert logs["consistency_loss"][0] > 0


@pytest.mark.parametrize("pipeline", ["tf.data", "device"])
def test_images_and_masks_of_too_many_pixels_are_skipped(tmp_path, pipeline):
    for name, side, mask_side in (("a", 8, 8), ("b", 16, 16), ("c", 12, 16)):
        for kind, of in (("images", side), ("masks", mask_side)):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(np.ones((of, of), "uint8")).save(
                tmp_path / kind / f"{name}.png"
            )
    examples = from_folder(
        tmp_path / "images", tmp_path / "masks", max_pixels=150, on_bad_image="skip"
    )
    batches = supervised(
        examples, crop_size=16, batch_size=2, steps_per_epoch=3, pipeline=pipeline
    )
    seen = {int(i) for inputs, _ in batches for i in inputs["labeled_index"]}
    assert seen == {0} and sorted(examples.bad) == ["b", "c"]
    assert "256 pixels, more than max_pixels=150" in examples.bad["b"]
    # Without its mask one of them can be read, and is larger than the others.
    unlabeled = semi_supervised(
        examples, examples, crop_size=16, pipeline=pipeline, allow_shared=True,
        labeled_batch_size=1, unlabeled_batch_size=2, scale_range=(1, 1),
    )  # fmt: skip
    seen = {int(i) for x, _ in unlabeled for i in x["unlabeled_index"]}
    assert seen == {0, 2}
