import keras
import numpy as np
from keras import layers

from keras_imas.models import cost
from keras_imas.models.vision_transformer import SelfAttention


def test_counts_what_a_loop_would_count():
    inner_images = keras.Input((9, 7, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same")(inner_images)
    inner = keras.Model(inner_images, layers.DepthwiseConv2D(3, padding="same")(x))
    images = keras.Input((9, 7, 3))
    x = layers.ReLU()(inner(images))
    network = keras.Model(images, layers.Dense(5)(layers.Conv2D(6, 1, groups=2)(x)))
    pixels = 5 * 4
    convolution = pixels * 4 * 3 * 9
    depthwise = pixels * 4 * 9
    grouped = pixels * 6 * 2
    dense = pixels * 6 * 5
    expected = convolution + depthwise + grouped + dense
    assert cost.multiply_adds(network) == expected
    assert cost.activations(network) == pixels * (4 + 4 + 4 + 6 + 5)


def test_grows_with_the_image():
    def network(size):
        images = keras.Input((size, size, 3))
        return keras.Model(images, layers.Conv2D(2, 3, padding="same")(images))

    ratio = cost.multiply_adds(network(32)) / cost.multiply_adds(network(16))
    assert np.isclose(ratio, 4)


def test_counts_attention_and_transposed_convolutions():
    images = keras.Input((3, 4, 8))
    x = layers.Conv2DTranspose(6, 2, strides=2)(images)
    tokens = layers.Reshape((48, 6))(x)
    network = keras.Model(images, SelfAttention(2)([tokens, tokens, tokens]))
    # Each of 48 tokens with each: a product by channel, and another for the values.
    assert cost.multiply_adds(network) == 12 * 8 * 6 * 2 * 2 + 2 * 48 * 48 * 6
