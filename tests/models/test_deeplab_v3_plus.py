import keras
import numpy as np
import pytest

from keras_imas.models import deeplab_v3_plus, dilated_backbone


def layers_of(model):
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_of(layer)
        else:
            yield layer


@pytest.fixture(scope="module")
def network():
    return deeplab_v3_plus(5, weights=None)


@pytest.fixture(scope="module")
def encoders():
    """One for each output stride."""
    return {
        stride: dilated_backbone("mobilenet_v2", output_stride=stride, weights=None)
        for stride in (32, 16, 8)
    }


@pytest.mark.parametrize("size", [(33, 65), (50, 34), (7, 40)])
def test_logits_have_the_images_size_whatever_it_is(network, size):
    logits = network.predict_on_batch(np.zeros((1, *size, 3), "float32"))
    assert logits.shape == (1, *size, 5)
    assert logits.dtype == "float32"


def test_number_of_parameters_and_rates(network):
    # MobileNetV2 without top, less its last convolution, from 320 to 1,280 channels.
    encoder = 2_257_984 - (320 * 1280 + 4 * 1280)
    pyramid = 3 * (320 * 64 + 256) + 3 * (9 * 320 + 4 * 320 + 320 * 64 + 256)
    decoder = (24 * 48 + 192) + (9 * 112 + 4 * 112 + 112 * 64 + 256)
    decoder += (9 * 64 + 4 * 64 + 64 * 64 + 256) + (64 * 5 + 5)
    assert network.count_params() == encoder + pyramid + decoder == 1_995_893
    for rate in (6, 12, 18):
        layer = network.get_layer(f"aspp_{rate}_depthwise")
        assert layer.dilation_rate == (rate, rate)


def test_every_batch_normalization_follows_within_a_short_run(network):
    momenta = {
        layer.momentum
        for layer in layers_of(network)
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    assert momenta == {0.9}


def test_takes_images_from_0_to_255(network):
    scale = next(x for x in layers_of(network) if x.name == "scale")
    scaled = keras.ops.convert_to_numpy(scale(np.array([0.0, 127.5, 255.0])))
    np.testing.assert_allclose(scaled, [-1, 0, 1], atol=1e-6)


@pytest.mark.parametrize(("stride", "size"), [(32, 3), (16, 5), (8, 9)])
def test_output_stride(encoders, stride, size):
    low, high = encoders[stride].compute_output_shape((1, 65, 64, 3))
    assert low == (1, 17, 16, 24)
    assert high == (1, size, size - 1, 320)


def test_dilated_features_are_the_undilated_ones_where_the_strides_agree(encoders):
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (1, 97, 97, 3)).astype("float32")
    low_level, features = {}, {}
    for stride, encoder in encoders.items():
        encoder.set_weights(encoders[32].get_weights())
        low_level[stride], features[stride] = encoder.predict_on_batch(images)
    for stride, step in ((16, 2), (8, 4)):
        np.testing.assert_allclose(low_level[stride], low_level[32], rtol=1e-4)
        np.testing.assert_allclose(
            features[stride][:, ::step, ::step], features[32], rtol=1e-3, atol=1e-5
        )


def test_pyramid_of_output_stride_8():
    """With an image size that is known."""
    network = deeplab_v3_plus(5, weights=None, output_stride=8, input_shape=(33, 40, 3))
    assert network.output_shape == (None, 33, 40, 5)
    for rate in (12, 24, 36):
        layer = network.get_layer(f"aspp_{rate}_depthwise")
        assert layer.dilation_rate == (rate, rate)


def test_imagenet_weights_load_from_a_file(shared):
    path = shared / "weights" / "mobilenet_v2_imagenet_notop.weights.h5"
    original = keras.applications.MobileNetV2(
        input_shape=(65, 65, 3), include_top=False, weights=None
    )
    original.load_weights(path)
    original = keras.Model(
        original.input, original.get_layer("block_16_project_BN").output
    )
    # At odd sizes Keras pads as we do.
    encoder = dilated_backbone("mobilenet_v2", output_stride=32, weights=str(path))
    images = np.random.default_rng(0).uniform(0, 255, (1, 65, 65, 3)).astype("float32")
    np.testing.assert_allclose(
        encoder.predict_on_batch(images)[1],
        original.predict_on_batch(images / 127.5 - 1),
        rtol=1e-3,
        atol=1e-3,
    )


def test_saves_and_loads(network, tmp_path):
    network.save(tmp_path / "network.keras")
    copy = keras.models.load_model(tmp_path / "network.keras")
    images = np.random.default_rng(0).uniform(0, 255, (1, 33, 40, 3)).astype("float32")
    np.testing.assert_allclose(
        copy.predict_on_batch(images),
        network.predict_on_batch(images),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backbone": "vgg"}, r"`backbone` must be one of .*'vgg'"),
        ({"output_stride": 4}, r"`output_stride` must be .*output_stride=4"),
        ({"weights": "missing.h5"}, r"`weights` must be .*missing.h5"),
        ({"num_classes": 0}, r"`num_classes` must be .*num_classes=0"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        deeplab_v3_plus(**{"num_classes": 3, "weights": None, **arguments})
