import keras
import numpy as np
import pytest
from tiers import full_on

from keras_imas.models import BACKBONES, dilated_backbone

slow = pytest.mark.full


def images(height, width):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (1, height, width, 3)).astype("float32")


def awaken(network):
    """Let all branches count: ConvNeXt starts with them scaled by 1e-6."""
    for variable in network.variables:
        if "layer_scale" in variable.path:
            variable.assign(np.full(variable.shape, 0.5))


def assert_close(a, b):
    scale = abs(b).max()
    assert scale > 0
    np.testing.assert_allclose(a / scale, b / scale, atol=1e-4)


@full_on("tensorflow", "jax")
@pytest.mark.parametrize(("stride", "size"), [(32, 3), (16, 5), (8, 9)])
def test_output_stride(stride, size):
    encoder = dilated_backbone("mobilenet_v2", output_stride=stride, weights=None)
    low, stage_3, high = encoder.compute_output_shape((1, 65, 64, 3))
    assert low == (1, 17, 16, 24)
    assert stage_3 == (1, max(size, 5), max(size, 5) - 1, 96)
    assert high == (1, size, size - 1, 320)


@slow
@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_has_its_strides_and_a_quick_batch_normalization(name):
    encoder = dilated_backbone(name, output_stride=8, weights=None)
    for shape, stride in zip(
        encoder.compute_output_shape((1, 65, 97, 3)), (4, 8, 8), strict=True
    ):
        assert shape[1:3] == (64 // stride + 1, 96 // stride + 1)
    momenta = {
        layer.momentum
        for layer in encoder._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    assert momenta == (set() if name == "convnext_tiny" else {0.9})


@pytest.mark.parametrize(
    ("name", "size"),
    [
        pytest.param("resnet50", 65, marks=slow),
        pytest.param("resnet101", 65, marks=slow),
        pytest.param("resnet50_v2", 65, marks=slow),
        pytest.param("resnet101_v2", 65, marks=slow),
        pytest.param("resnet50_deep_stem", 65, marks=slow),
        pytest.param("mobilenet_v2", 97, marks=slow),
        pytest.param("convnext_tiny", 64, marks=slow),
    ],
)
def test_dilated_features_are_the_undilated_ones_where_strides_agree(name, size):
    """Where no squeeze-and-excitation averages over all of the feature map."""
    undilated = dilated_backbone(name, output_stride=32, weights=None)
    awaken(undilated)
    low_level, stage_3, expected = undilated.predict_on_batch(images(size, size))
    for stride in (16, 8):
        encoder = dilated_backbone(name, output_stride=stride, weights=None)
        encoder.set_weights(undilated.get_weights())
        low, middle, high = encoder.predict_on_batch(images(size, size))
        step = 32 // stride
        assert_close(low, low_level)
        assert_close(middle[:, :: step // 2, :: step // 2], stage_3)
        assert_close(high[:, ::step, ::step], expected)


@slow
@pytest.mark.parametrize(
    ("name", "application", "preprocessing", "size"),
    [
        ("resnet50", "ResNet50", "resnet", 65),
        ("resnet50_v2", "ResNet50V2", "resnet_v2", 65),
        ("mobilenet_v2", "MobileNetV2", "mobilenet_v2", 65),
        ("mobilenet_v3_large", "MobileNetV3Large", None, 65),
        ("efficientnet_v2_b0", "EfficientNetV2B0", None, 65),
        ("efficientnet_v2_s", "EfficientNetV2S", None, 65),
        ("convnext_tiny", "ConvNeXtTiny", None, 64),
    ],
)
def test_undilated_is_the_network_of_keras_applications(
    name, application, preprocessing, size, tmp_path
):
    """On images 0..255, with its weights from a file. At odd sizes Keras pads alike."""
    original = getattr(keras.applications, application)(
        include_top=False, weights=None, input_shape=(size, size, 3)
    )
    awaken(original)
    path = str(tmp_path / "original.weights.h5")
    original.save_weights(path)
    encoder = dilated_backbone(name, output_stride=32, weights=path)
    trunk = encoder.layers[-1]
    layer = trunk.outputs[-1]._keras_history.operation.name
    if name != "convnext_tiny":  # its last layer's name counts up
        original = keras.Model(original.inputs, original.get_layer(layer).output)
    x = images(size, size)
    scaled = x
    if preprocessing:
        module = getattr(keras.applications, preprocessing)
        scaled = module.preprocess_input(x.copy())
    assert_close(encoder.predict_on_batch(x)[-1], original.predict_on_batch(scaled))


def test_imagenet_weights_load_from_a_file(shared):
    path = shared / "weights" / "mobilenet_v2_imagenet_notop.weights.h5"
    original = keras.applications.MobileNetV2(
        input_shape=(65, 65, 3), include_top=False, weights=None
    )
    original.load_weights(path)
    original = keras.Model(
        original.input, original.get_layer("block_16_project_BN").output
    )
    encoder = dilated_backbone("mobilenet_v2", output_stride=32, weights=str(path))
    x = images(65, 65)
    assert_close(
        encoder.predict_on_batch(x)[-1], original.predict_on_batch(x / 127.5 - 1)
    )


@full_on("tensorflow", "jax")
@pytest.mark.parametrize(
    ("stride", "multi_grid", "expected"),
    [
        (16, (1, 2, 4), [2, 4, 8]),
        pytest.param(8, (1, 2, 4), [4, 8, 16], marks=slow),
        pytest.param(16, None, [1, 2, 2], marks=slow),
        pytest.param(8, None, [2, 4, 4], marks=slow),
    ],
)
def test_multi_grid(stride, multi_grid, expected):
    encoder = dilated_backbone(
        "resnet50_deep_stem",
        output_stride=stride,
        multi_grid=multi_grid,
        weights=None,
    )
    trunk = encoder.layers[-1]
    rates = [
        trunk.get_layer(f"conv5_block{block}_2_conv").dilation_rate
        for block in (1, 2, 3)
    ]
    assert rates == [(rate, rate) for rate in expected]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "vgg"}, r"`backbone` must be one of .*'vgg'"),
        ({"output_stride": 4}, r"`output_stride` must be .*output_stride=4"),
        ({"weights": "missing.h5"}, r"`weights` must be .*missing.h5"),
        ({"multi_grid": (1, 2, 4)}, "`multi_grid` is for ResNets.*mobilenet_v2"),
        ({"name": "resnet50", "multi_grid": (1, 2)}, "three positive factors"),
        (
            {"name": "resnet50_deep_stem", "weights": "imagenet"},
            "no ImageNet weights to download",
        ),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        dilated_backbone(**{"name": "mobilenet_v2", "weights": None, **arguments})
