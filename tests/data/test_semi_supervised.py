import dataclasses
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from PIL import Image
from tiers import core_and_full

from keras_imas.augment.color_jitter import ColorJitter
from keras_imas.augment.strong import StrongView
from keras_imas.data import (
    as_examples,
    evaluation,
    from_folder,
    semi_supervised,
    supervised,
)

CAMVID = pathlib.Path(__file__).parents[2].parent / "shared" / "camvid"


def pixels(count, seed=0, size=(24, 32)):
    return np.random.default_rng(seed).integers(
        0, 256, (count, *size, 3), dtype="uint8"
    )


LABELED = (pixels(5), pixels(5)[..., 0] % 4)
UNLABELED = pixels(11, seed=1)


def batches(labeled=LABELED, unlabeled=UNLABELED, **options):
    defaults = dict(
        crop_size=(16, 20),
        labeled_batch_size=3,
        unlabeled_batch_size=2,
        num_classes=4,
        strong=StrongView(0),  # quicker to trace than the real one
        pipeline="tf.data",
    )
    return semi_supervised(labeled, unlabeled, **{**defaults, **options})


@pytest.fixture(params=core_and_full(["tf.data"], ["tf.data", "device"]))
def pipeline(request):
    return request.param


def arrays(epoch):
    """One epoch as a list of flat dicts of arrays."""
    return [
        {key: np.array(ops.convert_to_numpy(x)) for key, x in flat.items()}
        for flat in ({"label_map": y, **inputs} for inputs, y in epoch)
    ]


def equal(left, right, keys=None):
    return len(left) == len(right) and all(
        np.array_equal(a[key], b[key])
        for a, b in zip(left, right, strict=True)
        for key in keys or a
    )


def indices(epoch, key):
    return np.concatenate([batch[key] for batch in epoch])


def test_elements():

    dataset = batches(strong=None)
    inputs, label_map = dataset.element_spec
    assert {key: (tuple(x.shape), x.dtype.name) for key, x in inputs.items()} == {
        "labeled": ((3, 16, 20, 3), "float32"),
        "unlabeled": ((2, 16, 20, 3), "float32"),
        "unlabeled_strong": ((2, 16, 20, 3), "float32"),
        "unlabeled_valid": ((2, 16, 20), "float32"),
        "labeled_index": ((3,), "int32"),
        "unlabeled_index": ((2,), "int32"),
    }
    assert label_map == tf.TensorSpec((3, 16, 20), tf.int32)
    assert len(dataset) == 5 == len(list(dataset))


@pytest.mark.parametrize("pipeline", ["tf.data", "device"])
@pytest.mark.parametrize(
    "strong", [StrongView(), pytest.param(ColorJitter(), marks=pytest.mark.full)]
)
def test_a_second_strong_view_has_draws_of_its_own(pipeline, strong):
    options = dict(strong=strong, pipeline=pipeline, unlabeled=UNLABELED[:6])
    one, two = batches(**options), batches(**options, strong_views=2)
    alone, both = arrays(one), arrays(two)
    assert equal(alone, both, keys=alone[0])  # all else is as with one
    inputs, _ = two.element_spec
    first, second = (
        np.concatenate([batch[name] for batch in both])
        for name in ("unlabeled_strong", "unlabeled_strong_2")
    )
    assert tuple(inputs["unlabeled_strong_2"].shape) == (2, 16, 20, 3)
    assert second.min() >= 0 and second.max() <= 255
    differ = np.abs(first - second).max(axis=(1, 2, 3)) > 1
    assert differ.mean() > 0.5


@pytest.mark.parametrize(
    "pipeline", ["tf.data", pytest.param("device", marks=pytest.mark.full)]
)
def test_second_strong_views_resume(pipeline):
    options = dict(strong=StrongView(), pipeline=pipeline, strong_views=2)
    whole, rest = batches(**options), batches(**options)
    epoch = arrays(whole)
    rest.position.hold(0, step=3)
    assert equal(arrays(rest.take(2)), epoch[3:5])
    assert rest.position.settings()["strong_views"] == 2
    assert "strong_views" not in batches(pipeline=pipeline).position.settings()


@pytest.mark.parametrize("pipeline", ["tf.data", "device"])
def test_labeled_images_take_the_colors_of_a_strong_view(pipeline):
    gray = ColorJitter(probability=0.0, gray=1.0, blur=0.0)
    options = dict(pipeline=pipeline)
    weak = arrays(batches(**options))
    strong = arrays(batches(**options, labeled_strong=gray))
    assert equal(weak, strong, keys=weak[0].keys() - {"labeled"})
    for one, other in zip(weak, strong, strict=True):
        luma = one["labeled"] @ np.array([0.299, 0.587, 0.114], "float32")
        np.testing.assert_allclose(
            other["labeled"], np.repeat(luma[..., None], 3, axis=-1), atol=0.1
        )


@pytest.mark.parametrize("pipeline", core_and_full(["device"], ["tf.data", "device"]))
def test_recolored_labeled_images_are_the_same_in_both_and_resume(pipeline):
    options = dict(crop_size=16, labeled_strong=ColorJitter(), pipeline=pipeline)
    both = semi_supervised(LABELED, UNLABELED, unlabeled_batch_size=2, **options)
    options["steps_per_epoch"] = 4
    whole, rest = supervised(LABELED, **options), supervised(LABELED, **options)
    epoch, next_epoch = arrays(whole), arrays(whole)
    assert equal(epoch, arrays(both)[:4], keys=["labeled", "label_map"])
    assert not equal(epoch, next_epoch, keys=["labeled"])
    rest.position.hold(0, step=2)
    assert equal(arrays(rest.take(2)), epoch[2:])


def test_there_are_one_or_two_strong_views():
    with pytest.raises(ValueError, match="`strong_views` must be 1 or 2.*=3"):
        batches(strong_views=3)


def test_an_epoch_is_one_pass_over_the_unlabeled_images(pipeline):
    dataset = batches(unlabeled=UNLABELED[:10], pipeline=pipeline)
    first, second = arrays(dataset), arrays(dataset)
    for epoch in (first, second):
        assert sorted(indices(epoch, "unlabeled_index")) == list(range(10))
        counts = np.bincount(indices(epoch, "labeled_index"), minlength=5)
        assert (counts == 3).all()  # 15 draws: three whole passes
    assert not np.array_equal(
        indices(first, "unlabeled_index"), indices(second, "unlabeled_index")
    )


def test_each_pass_over_the_labeled_images_is_shuffled_anew(pipeline):
    epoch = arrays(batches(unlabeled=pixels(40), pipeline=pipeline))
    passes = indices(epoch, "labeled_index").reshape(-1, 5)
    assert len({tuple(order) for order in passes}) > len(passes) // 2
    crops = [b["labeled"][b["labeled_index"] == 0] for b in epoch]
    crops = np.concatenate(crops)
    # Two small crops may be scaled to the same few pixels.
    assert len({crop.tobytes() for crop in crops}) >= len(crops) - 1


def test_same_seed_same_batches_whatever_the_threads(pipeline):
    one, two = (
        batches(num_parallel_calls=n, strong=None, pipeline=pipeline) for n in (1, 5)
    )
    first, second = arrays(one), arrays(one)
    keras.utils.set_random_seed(123)
    assert equal(first, arrays(two))
    assert equal(second, arrays(two))
    assert not equal(first, second)
    assert not equal(first, arrays(batches(seed=1, strong=None, pipeline=pipeline)))


@pytest.mark.parametrize(
    "on_bad_image", ["error", pytest.param("skip", marks=pytest.mark.full)]
)
def test_an_epoch_may_start_at_any_step(pipeline, on_bad_image):
    """At the batches that an iteration from its start would give."""
    whole, rest = (
        batches(
            *(
                dataclasses.replace(as_examples(x), on_bad_image=on_bad_image)
                for x in (LABELED, UNLABELED)
            ),
            pipeline=pipeline,
        )
        for _ in range(2)
    )
    epochs = [arrays(whole) for _ in range(3)]
    rest.position.hold(2, step=3)
    assert equal(arrays(rest.take(2)), epochs[2][3:])
    assert equal(arrays(rest.take(2)), epochs[2][3:])  # as long as it is held
    rest.position.hold(1)
    assert equal(arrays(rest), epochs[1])
    rest.position.release()
    assert not any(equal(arrays(rest), epoch) for epoch in epochs)


def test_what_is_left_out_is_not_read():
    read = []

    def count(image, seed):
        return tf.numpy_function(lambda x: read.append(1) or x, [image], tf.float32)

    dataset = batches(strong=count, num_parallel_calls=1)
    dataset.position.hold(0, step=4)
    list(dataset.take(1))
    assert len(read) == 2


@pytest.mark.parametrize(
    "dataset",
    [
        batches(),
        supervised(LABELED, crop_size=16, pipeline="tf.data"),
        evaluation(LABELED, pipeline="tf.data"),
    ],
)
def test_no_epoch_waits_for_the_thread_that_tunes_the_last_one(dataset):
    assert not dataset.options().autotune.enabled
    assert dataset.options().deterministic


def test_dataset_sources_may_start_at_any_step_too():
    def source():
        return tf.data.Dataset.from_tensor_slices(UNLABELED)

    whole, rest = batches(unlabeled=source()), batches(unlabeled=source())
    rest.position.hold(0, step=2)
    assert equal(arrays(rest.take(3)), arrays(whole)[2:])


def test_supervised_batches_may_start_at_any_step(pipeline):
    options = dict(crop_size=16, batch_size=2, steps_per_epoch=6, pipeline=pipeline)
    whole, rest = supervised(LABELED, **options), supervised(LABELED, **options)
    rest.position.hold(0, step=4)
    assert equal(arrays(rest.take(2)), arrays(whole)[4:])


def test_dataset_sources_are_reproducible_too():

    def source():
        return tf.data.Dataset.from_tensor_slices(UNLABELED)

    one, two = batches(unlabeled=source()), batches(unlabeled=source())
    first, second = arrays(one), arrays(one)
    keras.utils.set_random_seed(123)
    assert equal(first, arrays(two)) and equal(second, arrays(two))
    assert not equal(first, second)
    seen = indices(arrays(batches(unlabeled=source().take(10))), "unlabeled_index")
    assert sorted(seen) == list(range(10))


def test_index_is_that_of_the_image(pipeline):
    flat = np.broadcast_to(
        np.arange(11, dtype="uint8")[:, None, None, None], (11, 24, 32, 3)
    )
    for batch in arrays(
        batches(unlabeled=flat, padding_color=(99, 99, 99), pipeline=pipeline)
    ):
        for image, valid, index in zip(
            batch["unlabeled"],
            batch["unlabeled_valid"],
            batch["unlabeled_index"],
            strict=True,
        ):
            np.testing.assert_allclose(image[valid == 1], index, atol=1e-3)
            assert (image[valid == 0] == 99).all()


def test_strong_view_shows_the_same_pixels():
    """An injected colour operation is undone exactly: no geometry."""
    dataset = batches(strong=lambda image, seed: 255.0 - image)
    for batch in arrays(dataset):
        np.testing.assert_allclose(
            255.0 - batch["unlabeled_strong"], batch["unlabeled"], atol=1e-3
        )


def test_strong_view_is_drawn_by_image_and_epoch():
    dataset = batches(
        strong=lambda image, seed: image * 0 + uniform_grey(seed),
        unlabeled=UNLABELED[:10],
    )
    draws = [
        b["unlabeled_strong"][:, 0, 0, 0] for _ in range(2) for b in arrays(dataset)
    ]
    assert len(set(np.concatenate(draws))) == 20


def uniform_grey(seed):

    return tf.random.stateless_uniform([], seed, 0, 255)


@pytest.mark.parametrize("library", ["keras", "keras_cv"])
def test_strong_view_may_be_a_layer(library):
    if library == "keras":
        layer = keras.layers.RandomBrightness(0.9, value_range=(0, 255))
    else:
        import keras_cv

        layer = keras_cv.layers.RandAugment(value_range=(0, 255), geometric=False)
    epoch = arrays(batches(strong=layer))
    strong = np.concatenate([batch["unlabeled_strong"] for batch in epoch])
    weak = np.concatenate([batch["unlabeled"] for batch in epoch])
    assert strong.shape == weak.shape and np.abs(strong - weak).mean() > 1
    assert strong.min() >= 0 and strong.max() <= 255


@pytest.mark.parametrize("library", ["keras", "keras_cv"])
def test_a_layer_that_moves_pixels_is_refused(library):
    if library == "keras":
        moving = keras.layers.RandAugment()
    else:
        import keras_cv

        moving = keras_cv.layers.RandAugment(value_range=(0, 255))
    for layer in (moving, keras.Sequential([keras.layers.RandomHue(0.1), moving])):
        with pytest.raises(ValueError, match="by its layer Random.*geometric=False"):
            batches(strong=layer)


def test_supervised_is_the_labeled_part(pipeline):
    both = batches(pipeline=pipeline)
    alone = supervised(
        LABELED,
        crop_size=(16, 20),
        batch_size=3,
        steps_per_epoch=5,
        num_classes=4,
        pipeline=pipeline,
    )
    assert len(alone) == 5
    for _ in range(2):
        keys = ("labeled", "labeled_index", "label_map")
        assert equal(arrays(both), arrays(alone), keys)


def test_supervised_defaults_to_one_pass(pipeline):
    dataset = supervised(LABELED, crop_size=16, batch_size=2, pipeline=pipeline)
    assert len(dataset) == 2
    assert len(set(indices(arrays(dataset), "labeled_index"))) == 4


def test_label_maps_are_padded_with_the_ignore_class(pipeline):
    dataset = supervised(
        LABELED,
        crop_size=40,
        batch_size=5,
        scale_range=(1, 1),
        ignore_class=11,
        pipeline=pipeline,
    )
    (batch,) = arrays(dataset)
    assert (batch["label_map"][:, 24:] == 11).all()
    assert (batch["label_map"][:, :24, :32] < 4).all()


def test_label_maps_of_the_unlabeled_images_are_not_read(pipeline):
    wrong = np.full((11, 24, 32), 77)
    assert equal(
        arrays(batches(unlabeled=(UNLABELED, wrong), pipeline=pipeline)),
        arrays(batches(pipeline=pipeline)),
    )


def test_too_few_images():
    with pytest.raises(ValueError, match="`unlabeled` has 11 images.*Reduce"):
        batches(unlabeled_batch_size=12)
    with pytest.raises(ValueError, match="`labeled` has 5 images"):
        supervised(LABELED, crop_size=16, batch_size=6)
    assert len(supervised(LABELED, crop_size=16, batch_size=6, steps_per_epoch=2)) == 2


@pytest.mark.parametrize(
    "options, match",
    [
        ({"crop_size": 0}, "crop_size=0"),
        ({"ignore_class": None}, "id that is no class.*ignore_class=None"),
        ({"crop_size": (3, 4, 5)}, r"crop_size=\(3, 4, 5\)"),
        ({"scale_range": (2.0, 0.5)}, "0 < low <= high"),
        ({"unlabeled_batch_size": 0}, "Received: 0"),
    ],
)
def test_wrong_options(options, match):
    with pytest.raises(ValueError, match=match):
        batches(**options)


def test_labeled_needs_label_maps(pipeline):
    with pytest.raises(ValueError, match="`labeled` has no label maps"):
        batches(labeled=LABELED[0], pipeline=pipeline)


def test_wrong_class_id_in_training_names_the_example(pipeline):

    with pytest.raises(
        (tf.errors.InvalidArgumentError, ValueError), match="allowed are 0 to 2"
    ):
        list(batches(num_classes=3, pipeline=pipeline))


@pytest.fixture
def folder(tmp_path):
    for name, image in zip("abcdef", pixels(6), strict=True):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(image[..., 0] % 4).save(tmp_path / "masks" / f"{name}.png")
    return tmp_path


def test_files(pipeline, folder):
    labeled = from_folder(folder, folder / "masks", ["a", "b"])
    unlabeled = from_folder(folder, None, ["c", "d", "e", "f"])
    (first, *_), (second, *_) = (
        arrays(batches(labeled, unlabeled, scale_range=(1, 1), pipeline=pipeline))
        for _ in range(2)
    )
    assert equal([first], [second])
    assert set(first["labeled_index"]) <= {0, 1}
    # The label map is a function of the image here, so that they must be aligned.
    valid = first["label_map"] != 255
    red = np.round(first["labeled"][..., 0]).astype(int)
    np.testing.assert_array_equal(first["label_map"][valid], red[valid] % 4)


def test_labeled_image_among_the_unlabeled(folder):
    labeled = from_folder(folder, folder / "masks", ["a", "b", "c"])
    unlabeled = from_folder(folder, None, ["c", "d", "e", "f"])
    with pytest.raises(ValueError, match=r"1 images are both .*c\.png.*Remove"):
        batches(labeled, unlabeled)


@pytest.mark.skipif(not CAMVID.is_dir(), reason="CamVid is not there")
def test_camvid():
    split = CAMVID / "splits" / "1_16_seed0"
    images, masks = CAMVID / "images" / "train", CAMVID / "masks" / "train"
    options = dict(image_size=(90, 120), ignore_class=11)
    labeled = from_folder(
        images, masks, split / "labeled.txt", num_classes=11, **options
    )
    unlabeled = from_folder(images, None, split / "unlabeled.txt", **options)
    dataset = batches(
        labeled,
        unlabeled,
        crop_size=65,
        unlabeled_batch_size=8,
        num_classes=11,
        ignore_class=11,
        strong=None,
    )
    epoch = arrays(dataset)
    assert len(epoch) == 344 // 8
    assert len(set(indices(epoch, "unlabeled_index"))) == 344
    labels = np.concatenate([batch["label_map"] for batch in epoch])
    assert set(np.unique(labels)) == set(range(12))
    assert 60 < np.mean([batch["unlabeled"].mean() for batch in epoch]) < 160


def test_processes_read_their_parts_of_each_batch(pipeline):
    sizes = dict(labeled_batch_size=6, unlabeled_batch_size=4, pipeline=pipeline)
    whole = arrays(batches(**sizes))
    parts = [arrays(batches(**sizes, part=(i, 2))) for i in range(2)]
    assert len(whole) == len(parts[0]) == 2
    for batch, *halves in zip(whole, *parts, strict=True):
        for key, value in batch.items():
            joined = np.concatenate([half[key] for half in halves])
            np.testing.assert_array_equal(joined, value)
    with pytest.raises(ValueError, match="among 4 processes. Received: 6 images"):
        batches(**sizes, part=(0, 4))


def test_processes_cannot_skip_images(pipeline, tmp_path):
    for number in range(4):
        Image.fromarray(UNLABELED[number]).save(tmp_path / f"{number}.png")
    unlabeled = from_folder(tmp_path, on_bad_image="skip")
    with pytest.raises(ValueError, match="can't skip bad images.*check_dataset.py"):
        batches(
            unlabeled=unlabeled, labeled_batch_size=2, part=(0, 2), pipeline=pipeline
        )


def test_label_maps_of_unlabeled_crops_fit_them(pipeline):
    label_maps = (pixels(11, seed=2)[..., 0] < 128).astype("uint8")
    label_maps = label_maps[:, ::6, ::8].repeat(6, 1).repeat(8, 2)  # coarse
    images = (255 * label_maps[..., None]).repeat(3, -1)
    options = dict(pipeline=pipeline, ignore_class=9, scale_range=(0.5, 1.0))
    options["unlabeled"] = images, label_maps
    without, epoch = arrays(batches(**options)), batches(**options, unlabeled_labels=1)
    assert "unlabeled_label_map" in epoch.element_spec[0]
    epoch = arrays(epoch)
    assert equal(without, epoch, keys=without[0])  # all else is as without
    for batch in epoch:
        labels, valid = batch["unlabeled_label_map"], batch["unlabeled_valid"] > 0
        assert (labels[~valid] == 9).all() and not (labels[valid] == 9).any()
        value = batch["unlabeled"][..., 0]
        assert (labels[valid & (value > 200)] == 1).all()
        assert (labels[valid & (value < 50)] == 0).all()
    everything = np.concatenate([batch["unlabeled_label_map"] for batch in epoch])
    assert set(np.unique(everything)) == {0, 1, 9}
