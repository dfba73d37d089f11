import numpy as np
import pytest

from keras_imas.augment.weak import weak_view

PADDING = (10.0, 20.0, 30.0)


def view(image, label_map=None, **options):
    defaults = dict(
        crop_size=(16, 16),
        scale_range=(1.0, 1.0),
        flip=False,
        padding_color=PADDING,
        ignore_class=255,
        seed=(0, 0),
    )
    return weak_view(image, label_map, **{**defaults, **options})


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype="uint8")


@pytest.fixture
def label_map(image):
    """Labels that repeat one channel, so that geometry can be compared exactly."""
    return image[..., 0].astype("int32")


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_image_and_label_map_stay_aligned(image, label_map, flip, seed):
    view_image, view_labels, valid = view(
        image, label_map, flip=flip, seed=(0, seed), crop_size=(20, 40)
    )
    np.testing.assert_allclose(
        view_image[..., 0], np.where(valid == 1, view_labels, PADDING[0]), atol=1e-3
    )
    assert (view_labels.numpy()[valid == 0] == 255).all()


@pytest.mark.parametrize("seed", range(4))
def test_long_images_and_label_maps_stay_aligned(seed):
    label_map = (np.arange(40_000) // 200).astype("int32")[None]
    image = np.repeat(label_map[..., None], 3, axis=-1)
    crop, labels, _ = view(image, label_map, crop_size=(1, 64), seed=(0, seed))
    np.testing.assert_allclose(crop[..., 0], labels, atol=1.0)


@pytest.mark.parametrize("seed", range(6))
def test_unscaled_crop_is_a_window_of_the_image(image, seed):
    crop, _, valid = view(image, seed=(0, seed))
    windows = np.lib.stride_tricks.sliding_window_view(image, (16, 16, 3))
    errors = np.abs(windows[:, :, 0] - crop.numpy()).max(axis=(2, 3, 4))
    assert errors.min() < 1e-3
    assert valid.numpy().all()


def test_crop_and_mirror_reach_every_place():
    """With a 2-pixel margin, each place and its mirror image come up."""
    columns = np.broadcast_to(np.arange(6, dtype="uint8")[None, :, None], (4, 6, 3))
    seen = set()
    for seed in range(80):
        crop, _, _ = view(columns, crop_size=(4, 4), flip=True, seed=(0, seed))
        seen.add(tuple(np.round(crop[0, :, 0]).astype(int)))
    forward = {tuple(range(left, left + 4)) for left in range(3)}
    assert seen == forward | {window[::-1] for window in forward}


@pytest.mark.parametrize("scale", [0.5, 0.7, 1.3, 2.0])
def test_scale_is_that_of_tensorflow_and_of_nearest(image, label_map, scale):
    import tensorflow as tf

    size = (round(24 * scale), round(32 * scale))
    view_image, view_labels, valid = view(
        image, label_map, scale_range=(scale, scale), crop_size=size
    )
    expected = tf.image.resize(image, size, antialias=True)
    labels = tf.image.resize(label_map[..., None], size, "nearest")[..., 0]
    np.testing.assert_allclose(view_image, expected, atol=1e-2)
    # Both may choose either of two equally near pixels.
    assert np.mean(view_labels.numpy() == labels.numpy()) > 0.9
    assert valid.numpy().all()


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scale", [0.5, 0.77, 1.33, 2.0])
def test_crop_is_a_window_of_the_scaled_image(scale, flip):
    """Though only the part of the image that the crop shows is scaled."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (90, 120, 3), dtype="uint8")
    size = (round(90 * scale), round(120 * scale))
    scaled = tf.image.resize(image, size, antialias=True).numpy()
    for seed in range(4):
        crop, _, valid = view(
            image, scale_range=(scale, scale), flip=flip, seed=(2, seed)
        )
        for expected in (scaled, scaled[:, ::-1])[: 1 + flip]:
            windows = np.lib.stride_tricks.sliding_window_view(expected, (16, 16, 3))
            error = np.abs(windows[:, :, 0] - crop.numpy()).max(axis=(2, 3, 4)).min()
            if error < 0.02:
                break
        assert error < 0.02 and valid.numpy().all()


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_padding_is_at_the_bottom_and_the_right(image, label_map, flip, seed):
    view_image, view_labels, valid = view(
        image,
        label_map,
        scale_range=(0.5, 0.5),
        crop_size=(20, 20),
        flip=flip,
        seed=(1, seed),
    )
    expected = np.zeros((20, 20))
    expected[:12, :16] = 1
    np.testing.assert_array_equal(valid, expected)
    np.testing.assert_array_equal(
        view_image.numpy()[expected == 0], np.tile(PADDING, (20 * 20 - 12 * 16, 1))
    )
    assert (view_labels.numpy()[expected == 0] == 255).all()
    assert (view_labels.numpy()[expected == 1] < 256).all()


def test_without_label_map_the_geometry_is_the_same(image, label_map):
    with_labels = view(image, label_map, scale_range=(0.5, 2.0), flip=True, seed=(5, 6))
    without = view(image, None, scale_range=(0.5, 2.0), flip=True, seed=(5, 6))
    np.testing.assert_array_equal(with_labels[0], without[0])
    assert without[1] is None


def test_shapes_are_static_in_a_pipeline(image):
    import tensorflow as tf

    views = tf.data.Dataset.range(3).map(
        lambda i: view(image, image[..., 0], scale_range=(0.5, 2.0), seed=[i, i])
    )
    assert views.element_spec == (
        tf.TensorSpec((16, 16, 3), tf.float32),
        tf.TensorSpec((16, 16), tf.int32),
        tf.TensorSpec((16, 16), tf.float32),
    )
    for crop, _, _ in views:
        assert crop.numpy().min() >= 0 and crop.numpy().max() <= 255
