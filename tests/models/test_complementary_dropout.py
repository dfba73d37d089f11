import keras
import numpy as np
import pytest
from keras import ops
from tiers import full_on
from tiny_imas import (
    CLASSES,
    HEIGHT,
    WIDTH,
    batch,
    compiled,
    images,
    label_maps,
    linear_student,
    step,
    weights,
)

import keras_imas
from keras_imas.augment.feature_masks import complementary_mask, sample_mask
from keras_imas.models import (
    ComplementaryDropout,
    deeplab_v3_plus,
    dpt,
    vision_transformer,
)
from keras_imas.models.complementary_dropout import dropped_channels, dropped_features


def numpy_mask(*arguments, **options):
    return ops.convert_to_numpy(sample_mask(*arguments, **options))


@pytest.mark.parametrize("count", [1, 4, 7])
def test_a_mask_drops_half_of_the_channels_of_half_of_the_images(count):
    mask = numpy_mask(count, 2000, seed=0)
    whole = (mask == 1).all(axis=1)
    assert whole.sum() == count // 2
    assert set(np.unique(mask[~whole])) == {0, 2}
    np.testing.assert_allclose(mask.mean(axis=1), 1.0, atol=0.1)
    np.testing.assert_array_equal(mask, numpy_mask(count, 2000, seed=0))


def test_which_images_stay_whole_is_random():
    generator = keras.random.SeedGenerator(0)
    masks = [numpy_mask(6, 8, seed=generator) for _ in range(20)]
    whole = np.array([(mask == 1).all(axis=1) for mask in masks])
    assert (whole.mean(axis=0) > 0).all() and (whole.mean(axis=0) < 1).all()


def test_a_pass_has_a_mask_for_each_view():
    mask = numpy_mask(4, 5, seed=1)
    hardness = np.array([0.0, 0.25, 0.5, 1.0], "float32")
    for given, expected in (
        (None, mask),
        (hardness, (1 - hardness[:, None]) * mask + hardness[:, None]),
    ):
        found = complementary_mask(ops.array(mask), ops.zeros((3, 2, 2, 3)), given)
        found = ops.convert_to_numpy(found)
        np.testing.assert_array_equal(found[:3], 1.0)
        np.testing.assert_allclose(found[3:7], expected)
        np.testing.assert_allclose(found[7:], 2.0 - expected)


def test_features_of_several_widths_and_ranks():
    rng = np.random.default_rng(0)
    features = [
        rng.normal(size=shape).astype("float32")
        for shape in ((2, 3, 4, 5), (2, 7, 3), (2, 6, 5))
    ]
    mask = rng.choice([0.0, 2.0], size=(2, 5)).astype("float32")
    layer = ComplementaryDropout()
    plain = layer([ops.convert_to_tensor(x) for x in features])
    with dropped_features(ops.convert_to_tensor(mask)):
        dropped = layer([ops.convert_to_tensor(x) for x in features])
    assert layer.channels == 5
    for x, same, less in zip(features, plain, dropped, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(same), x)
        between = (1,) * (x.ndim - 2)
        factors = mask[:, : x.shape[-1]].reshape(2, *between, -1)
        np.testing.assert_allclose(ops.convert_to_numpy(less), x * factors)


@full_on("tensorflow", "jax")
def test_a_network_with_it_predicts_as_without_it():
    keras.utils.set_random_seed(0)
    options = dict(backbone="mobilenet_v2", weights=None)
    plain = deeplab_v3_plus(3, **options)
    network = deeplab_v3_plus(3, **options, complementary_dropout=True)
    network.set_weights(plain.get_weights())
    x = images(1, size=(33, 33))
    np.testing.assert_array_equal(
        *(model.predict_on_batch(x) for model in (plain, network))
    )
    assert dropped_channels(plain) == 0 and dropped_channels(network) == 320


@full_on("tensorflow", "jax")
def test_a_dpt_has_a_place_for_it():
    encoder = vision_transformer(width=48, depth=4, heads=2)
    network = dpt(3, backbone=encoder, complementary_dropout=True)
    assert dropped_channels(network) == 48
    x = images(1, size=(28, 42))
    plain = network.predict_on_batch(x)
    assert not np.allclose(plain, _with_mask(network, x, 0.0))
    np.testing.assert_array_equal(plain, _with_mask(network, x, 1.0))


def _with_mask(network, x, value):
    with dropped_features(ops.full((1, 48), value)):
        network.make_predict_function(force=True)
        return network.predict_on_batch(x)


def test_it_trains_compiled_and_is_saved(tmp_path):
    """The first steps of a model and of its file are the same."""
    model = compiled(
        keras_imas.IMAS(
            linear_student(complementary_dropout=True),
            strong_views=2,
            cutmix_view="strong",
            cutmix_area=(0.02, 0.4),
            complementary_dropout=True,
            confidence_threshold=0.0,
            seed=0,
        ),
        1e-4,
    )
    data = {**batch(4, 4), "unlabeled_strong_2": images(4, 3)}
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.settings() == model.settings()
    for _ in range(2):
        logs = [step(each, data, label_maps(4)) for each in (model, loaded)]
        assert logs[0] == pytest.approx(logs[1], rel=1e-5)
    for one, other in zip(*(weights(m.student) for m in (model, loaded)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_a_step_drops_features_in_the_training_pass_alone():
    class Recording(keras.layers.Layer):
        seen = []

        def call(self, x):
            self.seen.append(np.array(ops.convert_to_numpy(x)))
            return x

        def compute_output_shape(self, input_shape):
            return input_shape

    inputs = keras.Input((HEIGHT, WIDTH, 3))
    x = Recording()(ComplementaryDropout()(inputs))
    student = keras.Model(inputs, keras.layers.Conv2D(CLASSES, 1)(x))
    Recording.seen.clear()
    model = keras_imas.IMAS(
        student,
        keras.models.clone_model(student),
        complementary_dropout=True,
        adaptive_intensity=False,
        seed=0,
    )
    Recording.seen.clear()
    model({**batch(2, 4)}, training=True)
    *scored, trained = Recording.seen
    for x in scored:
        np.testing.assert_array_equal(x, batch(2, 4)["unlabeled"])
    np.testing.assert_array_equal(trained[:2], batch(2, 4)["labeled"])
    gone = (trained[2:6].max(axis=(1, 2)) == 0).any(axis=1)
    assert 1 <= gone.sum() <= 2
