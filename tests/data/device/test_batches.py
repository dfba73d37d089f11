import numpy as np
import pytest
from keras import ops
from PIL import Image

from keras_imas.augment.strong import StrongView
from keras_imas.data import from_folder, semi_supervised
from keras_imas.data.pipelines import choose_pipeline


def pixels(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 24, 32, 3), "uint8")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "masks").mkdir()
    for number, image in enumerate(pixels(9)):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
        if number < 2:
            mask = Image.fromarray(image[..., 0] % 4)
            mask.save(tmp_path / "masks" / f"{number}.png")
    return tmp_path


def batches(folder, *, strong=None, **reading):
    return semi_supervised(
        from_folder(folder, folder / "masks", ["0", "1"], **reading),
        from_folder(folder, None, [str(n) for n in range(2, 9)], **reading),
        crop_size=(16, 20),
        labeled_batch_size=2,
        unlabeled_batch_size=2,
        num_classes=4,
        strong=strong or StrongView(0),
        pipeline="device",
    )


def arrays(epoch):
    return [
        {key: np.array(ops.convert_to_numpy(x)) for key, x in flat.items()}
        for flat in ({"label_map": y, **inputs} for inputs, y in epoch)
    ]


def assert_equal(left, right):
    for a, b in zip(left, right, strict=True):
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])


def test_elements_are_those_of_the_specification(folder):
    dataset = batches(folder, strong=StrongView())
    inputs, label_map = dataset.element_spec
    (first, *_) = arrays(dataset)
    for name, spec in {**inputs, "label_map": label_map}.items():
        assert first[name].shape == tuple(spec.shape)
        assert first[name].dtype == spec.dtype
    strong = first["unlabeled_strong"]
    assert strong.min() >= 0 and strong.max() <= 255
    assert np.abs(strong - first["unlabeled"]).max() > 1


def test_an_epoch_can_be_resumed_at_any_step(folder):
    whole, rest = batches(folder), batches(folder)
    epochs = [arrays(whole), arrays(whole)]
    assert sorted(np.ravel([b["unlabeled_index"] for b in epochs[0]]))[0] >= 0
    rest.position.hold(1, step=1)
    assert_equal(arrays(rest.take(2)), epochs[1][1:])
    # As Keras reads, by index.
    assert_equal(arrays(rest.take(2)[i] for i in range(2)), epochs[1][1:])


def test_a_cache_changes_nothing(folder):
    plain = batches(folder)
    source = {
        "labeled": from_folder(folder, folder / "masks", ["0", "1"]).cached("memory"),
        "unlabeled": from_folder(folder, None, [str(n) for n in range(2, 9)]),
    }
    source["unlabeled"] = source["unlabeled"].cached("memory")
    cached = semi_supervised(
        **source,
        crop_size=(16, 20),
        labeled_batch_size=2,
        unlabeled_batch_size=2,
        strong=StrongView(0),
        pipeline="device",
    )
    for _ in range(2):
        assert_equal(arrays(plain), arrays(cached))


def test_what_cannot_be_read_is_skipped_and_named(folder):
    (folder / "5.png").write_bytes((folder / "5.png").read_bytes()[:300])
    with pytest.raises(ValueError, match=r"5\.png cannot be read"):
        list(batches(folder))
    skipping = batches(folder, on_bad_image="skip")
    epoch = arrays(skipping)
    assert len(epoch) == 3
    assert 3 not in np.ravel([batch["unlabeled_index"] for batch in epoch])


def test_another_strong_view_needs_tensorflow(folder):
    with pytest.raises(ValueError, match='Pass pipeline="tf.data"'):
        batches(folder, strong=lambda image, seed: image)


def test_a_blur_that_is_wider_than_the_kernel_is_made_by_tensorflow(folder):
    wide = StrongView(operations={"gaussian_blur": (0.1, 5.0)})
    with pytest.raises(ValueError, match="not go with a Gaussian blur of 5 pixels"):
        batches(folder, strong=wide)
    assert choose_pipeline("auto", strong=(wide,)) == "tf.data"
