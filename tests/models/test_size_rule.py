import keras
import numpy as np
import pytest

from keras_imas.inference.predictor import Predictor
from keras_imas.models.logits import full_size_logits
from keras_imas.models.size_rule import SizeRule, size_rule


def u_net(side=None):
    """A network of two levels, whose skips fit for multiples of 4."""
    images = keras.Input((side, side, 3))
    x, skips = images, []
    for _ in range(2):
        skips.append(x)
        x = keras.layers.MaxPooling2D(2, padding="same")(x)
    for skip in reversed(skips):
        x = keras.layers.UpSampling2D(2)(x)
        x = keras.layers.Concatenate()([x, skip])
    return keras.Model(images, keras.layers.Conv2D(2, 1)(x))


def test_finds_what_sizes_a_network_takes():
    plain = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(2, 3)])
    assert size_rule(plain) == SizeRule()
    assert size_rule(u_net()) == SizeRule(multiple=4)
    assert size_rule(u_net(16)) == SizeRule(size=(16, 16), fixed=True)


@pytest.mark.parametrize("multiple", [3, 12, 14])
def test_finds_multiples_that_are_no_powers_of_2(multiple):
    images = keras.Input((None, None, 3))
    x = keras.layers.AveragePooling2D(multiple)(images)
    x = keras.layers.UpSampling2D(multiple)(x)
    x = keras.layers.Conv2D(2, 1)(keras.layers.Concatenate()([images, x]))
    network = keras.Model(images, x)
    assert size_rule(network) == SizeRule(multiple=multiple)
    image = np.random.default_rng(0).uniform(0, 255, (13, 18, 3))
    assert [x.shape for x in Predictor(network)([image])] == [(13, 18, 2)]


def test_pads_to_what_a_network_takes():
    network, image = u_net(), np.random.default_rng(0).uniform(0, 255, (13, 18, 3))
    [padded] = Predictor(network)([image])
    assert padded.shape == (13, 18, 2)
    [further] = Predictor(network, size_multiple=6)([image])  # a multiple of 12
    np.testing.assert_allclose(padded[:8, :12], further[:8, :12], atol=1e-5)
    fixed = u_net(16)
    fixed.set_weights(network.get_weights())
    [by_windows] = Predictor(fixed)([image])
    assert by_windows.shape == (13, 18, 2)


@pytest.mark.parametrize(
    ("network", "window", "words"),
    [(u_net, 18, "multiple of 4"), (lambda: u_net(16), 20, "built for images of 16")],
)
def test_refuses_windows_that_a_network_does_not_take(network, window, words):
    with pytest.raises(ValueError, match=words):
        Predictor(network(), window=window)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (u_net, "multiple of 4. Received: images=13 x 18"),
        (lambda: u_net(16), "built for images of 16 x 16"),
    ],
)
def test_refuses_images_in_words_on_sizes(network, words):
    network = network()
    size_rule(network)  # as evaluation and prediction look it up before they begin
    with pytest.raises(ValueError, match=words):
        full_size_logits(network, np.zeros((1, 13, 18, 3), "float32"))


def test_convolutions_in_a_row_take_other_sizes_than_they_are_built_for():
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, padding="same")]
    rule = size_rule(keras.Sequential(layers))
    assert rule.size == (8, 8) and not rule.fixed
