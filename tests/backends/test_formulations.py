import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers, ops

from keras_imas.backends.formulations import accelerated
from keras_imas.backends.formulations.convolution import atrous_convolution

LAYERS = {
    "1x1": lambda: layers.Conv2D(5, 1),
    "1x1, strided": lambda: layers.Conv2D(5, 1, strides=2, use_bias=False),
    "3x3": lambda: layers.Conv2D(5, 3, padding="same", activation="tanh"),
    "3x3, valid": lambda: layers.Conv2D(5, 3),
    "3x3, strided": lambda: layers.Conv2D(5, 3, strides=2, padding="same"),
    "3x3, strided, valid": lambda: layers.Conv2D(5, 3, strides=2),
    "4x4, strided": lambda: layers.Conv2D(5, 4, strides=2, padding="same"),
    "1x5": lambda: layers.Conv2D(5, (1, 5), strides=(2, 1), padding="same"),
    "dilated": lambda: layers.Conv2D(5, 3, dilation_rate=2, padding="same"),
    "atrous": lambda: layers.Conv2D(5, 3, dilation_rate=4, padding="same"),
    "atrous, in rows": lambda: layers.Conv2D(
        5, 3, dilation_rate=(6, 1), padding="same"
    ),
    "atrous beyond": lambda: layers.Conv2D(5, 3, dilation_rate=12, padding="same"),
    "grouped": lambda: layers.Conv2D(6, 3, groups=2, padding="same"),
    "depthwise": lambda: layers.DepthwiseConv2D(3, padding="same", activation="tanh"),
    "depthwise, strided": lambda: layers.DepthwiseConv2D(
        3, strides=2, padding="same", use_bias=False
    ),
    "depthwise, dilated": lambda: layers.DepthwiseConv2D(
        3, dilation_rate=3, padding="same"
    ),
    "depthwise, valid": lambda: layers.DepthwiseConv2D(5, strides=2),
    "depthwise, twice": lambda: layers.DepthwiseConv2D(3, depth_multiplier=2),
    "normalized": lambda: layers.BatchNormalization(momentum=0.7, epsilon=1e-5),
    "normalized, bare": lambda: layers.BatchNormalization(center=False, scale=False),
    "normalized, by rows": lambda: layers.BatchNormalization(axis=1),
    "pooled": lambda: layers.MaxPooling2D(3, strides=2),
    "first channels": lambda: layers.Conv2D(
        12, 3, dilation_rate=4, padding="same", data_format="channels_first"
    ),
    "first channels, depthwise": lambda: layers.DepthwiseConv2D(
        3, padding="same", data_format="channels_first"
    ),
    "first channels, pooled": lambda: layers.MaxPooling2D(
        2, data_format="channels_first"
    ),
    "pooled, same": lambda: layers.MaxPooling2D(2, padding="same"),
}


class Fast(keras.Model):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def call(self, images, training=None):
        with accelerated(self.network):
            return self.network(images, training=training)


def network(name):
    """Layers around the one in question, so that gradients pass through it."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((9, 12, 3)),
            layers.Dense(4, name="before"),
            LAYERS[name](),
            layers.Dense(2, name="after"),
        ]
    )


@pytest.mark.parametrize("name", LAYERS)
def test_trains_and_predicts_as_keras_does(name):
    rng = np.random.default_rng(0)
    images = rng.normal(1.0, 2.0, (3, 9, 12, 3)).astype("float32")
    plain = network(name)
    fast = Fast(network(name))
    fast.network.set_weights(plain.get_weights())
    targets = rng.normal(size=(3, *plain.output_shape[1:])).astype("float32")
    before = plain.get_weights()
    for model in (plain, fast):
        model.compile(keras.optimizers.SGD(0.3), "mse")
        for _ in range(2):
            model.train_on_batch(images, targets)
    for old, expected, value in zip(
        before, plain.get_weights(), fast.network.get_weights(), strict=True
    ):
        assert not np.array_equal(old, expected)
        np.testing.assert_allclose(value, expected, rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(
        fast.predict(images, verbose=0),
        plain.predict(images, verbose=0),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize("name", ["3x3", "atrous", "depthwise", "normalized", "pooled"])
def test_computes_in_the_precision_of_the_layer(name):
    images = np.random.default_rng(0).normal(size=(2, 9, 12, 4)).astype("float32")
    layer = LAYERS[name]()
    keras.utils.set_random_seed(0)
    expected = layer(images)
    half = type(layer).from_config({**layer.get_config(), "dtype": "mixed_bfloat16"})
    half.build(images.shape)
    half.set_weights(layer.get_weights())
    with accelerated(half):
        result = half(images, training=False)
    assert keras.backend.standardize_dtype(result.dtype) == "bfloat16"
    result = ops.convert_to_numpy(ops.cast(result, "float32"))
    np.testing.assert_allclose(
        result, ops.convert_to_numpy(expected), rtol=0.05, atol=0.05
    )


def test_normalizes_a_batch_of_one_value():
    images = np.full((1, 1, 1, 4), 7.0, "float32")
    layer = layers.BatchNormalization()
    layer.build(images.shape)
    with accelerated(layer):
        result = layer(images, training=True)
    np.testing.assert_allclose(ops.convert_to_numpy(result), 0.0, atol=1e-6)
    moving = ops.convert_to_numpy(layer.moving_variance)
    np.testing.assert_allclose(moving, 0.99, rtol=1e-5)


def test_layers_of_others_and_what_a_user_replaced_stay():
    class Own(layers.Conv2D):
        def convolution_op(self, inputs, kernel):
            return 7.0 + 0.0 * super().convolution_op(inputs, kernel)

    replaced = layers.Conv2D(2, 3)
    replaced.convolution_op = lambda inputs, kernel: ops.zeros((1, 2, 2, 2)) + 5.0
    for layer, expected in ((Own(2, 3), 7.0), (replaced, 5.0)):
        with accelerated(layer):
            result = layer(np.ones((1, 4, 4, 3), "float32"))
        assert ops.convert_to_numpy(result).min() == expected


def test_nothing_stays_changed():
    model = network("normalized")
    before = [set(vars(layer)) for layer in model.layers]
    with pytest.raises(ValueError), accelerated(model), accelerated(model):
        model(np.ones((1, 9, 12, 3), "float32"))
        raise ValueError
    assert [set(vars(layer)) for layer in model.layers] == before


@given(
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.sampled_from([(1, 1), (3, 3), (1, 3), (5, 3)]),
    st.tuples(st.integers(1, 14), st.integers(1, 14)),
)
def test_atrous_convolution_is_a_sum_over_taps(size, kernel_size, rate):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, *size, 3)).astype("float32")
    kernel = rng.normal(size=(*kernel_size, 3, 2)).astype("float32")
    expected = np.zeros((2, *size, 2))
    for y in range(size[0]):
        for x in range(size[1]):
            for i in range(kernel_size[0]):
                for j in range(kernel_size[1]):
                    row = y + rate[0] * (i - kernel_size[0] // 2)
                    column = x + rate[1] * (j - kernel_size[1] // 2)
                    if 0 <= row < size[0] and 0 <= column < size[1]:
                        expected[:, y, x] += images[:, row, column] @ kernel[i, j]
    result = atrous_convolution(
        ops.convert_to_tensor(images), ops.convert_to_tensor(kernel), rate
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(result), expected, rtol=1e-4, atol=1e-4
    )
