import re

import keras
import numpy as np
import pytest
from tiers import core_and_full

from keras_imas.models import deeplab_v3_plus
from keras_imas.models.deeplab_v3_plus import HEAD


def layers_of(model):
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_of(layer)
        else:
            yield layer


@pytest.fixture(scope="module")
def network():
    return deeplab_v3_plus(5, backbone="mobilenet_v2", weights=None)


@pytest.mark.parametrize(
    "size", core_and_full([(50, 34)], [(33, 65), (50, 34), (7, 40)])
)
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


def test_pyramid_of_output_stride_8():
    """With an image size that is known."""
    network = deeplab_v3_plus(
        5,
        backbone="mobilenet_v2",
        weights=None,
        output_stride=8,
        input_shape=(33, 40, 3),
    )
    assert network.output_shape == (None, 33, 40, 5)
    for rate in (12, 24, 36):
        layer = network.get_layer(f"aspp_{rate}_depthwise")
        assert layer.dilation_rate == (rate, rate)


@pytest.mark.full
def test_the_papers_network_has_its_number_of_parameters():
    network = deeplab_v3_plus(
        19,
        backbone="resnet50_deep_stem",
        multi_grid=(1, 2, 4),
        auxiliary_head=True,
        weights=None,
    )
    count = sum(np.prod(v.shape) for v in network.trainable_variables)
    assert round(count / 1e6, 2) == 42.84
    shapes = network.compute_output_shape((2, 65, 97, 3))
    assert shapes == {"auxiliary": (2, 5, 7, 19), "logits": (2, 65, 97, 19)}


def test_head_and_encoder_are_told_apart_by_name(network):
    head = [v for v in network.variables if re.search(HEAD, v.path)]
    encoder = next(x for x in network.layers if isinstance(x, keras.Model))
    assert {id(v) for v in encoder.variables}.isdisjoint(id(v) for v in head)
    assert len(encoder.variables) + len(head) == len(network.variables)


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
        ({"num_classes": 0}, r"`num_classes` must be .*num_classes=0"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        deeplab_v3_plus(**{"num_classes": 3, "weights": None, **arguments})


@pytest.mark.tensorflow_only
def test_synchronized_batch_normalization():
    network = deeplab_v3_plus(
        2, backbone="mobilenet_v2", weights=None, synchronized=True
    )
    layers = [
        layer
        for layer in layers_of(network)
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert layers and all(layer.synchronized for layer in layers)
