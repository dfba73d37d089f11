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


@pytest.mark.parametrize("size", [(33, 65), (50, 34), (7, 40)])
def test_logits_have_the_images_size_whatever_it_is(network, size):
    logits = network(np.zeros((1, *size, 3), "float32"))
    assert tuple(logits.shape) == (1, *size, 5)


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
def test_output_stride(stride, size):
    encoder = dilated_backbone("mobilenet_v2", output_stride=stride, weights=None)
    low, high = encoder(np.zeros((1, 65, 65, 3), "float32"))
    assert tuple(low.shape) == (1, 17, 17, 24)
    assert tuple(high.shape) == (1, size, size, 320)


def test_dilated_features_are_the_undilated_ones_where_the_strides_agree():
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (1, 129, 129, 3)).astype("float32")
    features, weights = {}, None
    for stride in (32, 16, 8):
        encoder = dilated_backbone("mobilenet_v2", output_stride=stride, weights=None)
        weights = weights or encoder.get_weights()
        encoder.set_weights(weights)
        features[stride] = keras.ops.convert_to_numpy(encoder(images)[1])
    for stride, step in ((16, 2), (8, 4)):
        np.testing.assert_allclose(
            features[stride][:, ::step, ::step], features[32], rtol=1e-3, atol=1e-5
        )


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
        keras.ops.convert_to_numpy(encoder(images)[1]),
        keras.ops.convert_to_numpy(original(images / 127.5 - 1)),
        rtol=1e-3,
        atol=1e-3,
    )


def test_saves_and_loads(network, tmp_path):
    network.save(tmp_path / "network.keras")
    copy = keras.models.load_model(tmp_path / "network.keras")
    images = np.random.default_rng(0).uniform(0, 255, (1, 33, 40, 3)).astype("float32")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(copy(images)),
        keras.ops.convert_to_numpy(network(images)),
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
