import keras
import numpy as np
import pytest
from keras import ops

from keras_imas.models.final_activation import check_returns_logits, final_activation


def image():
    return keras.Input((8, 8, 3))


def conv(inputs, **options):
    return keras.layers.Conv2D(2, 1, **options)(inputs)


def softmax_network():
    inputs = image()
    return keras.Model(inputs, conv(inputs, activation="softmax"))


def within(layer):
    inputs = image()
    return keras.Model(inputs, layer(softmax_network()(inputs)))


def outputs(make):
    inputs = image()
    return keras.Model(inputs, make(inputs))


FOUND = {
    "conv": (softmax_network, "softmax"),
    "sequential": (
        lambda: keras.Sequential(
            [image(), keras.layers.Conv2D(2, 1), keras.layers.Softmax()]
        ),
        "softmax",
    ),
    "activation layer": (
        lambda: outputs(lambda x: keras.layers.Activation("sigmoid")(conv(x))),
        "sigmoid",
    ),
    "operation": (lambda: outputs(lambda x: ops.softmax(conv(x), axis=-1)), "softmax"),
    "sigmoid": (lambda: outputs(lambda x: ops.sigmoid(conv(x))), "sigmoid"),
    "log": (lambda: outputs(lambda x: ops.log_softmax(conv(x))), "log_softmax"),
    "nested": (
        lambda: within(keras.layers.Activation("linear", dtype="float32")),
        "softmax",
    ),
    "resized": (lambda: within(keras.layers.UpSampling2D(2)), "softmax"),
    "resized by an operation": (
        lambda: within(lambda x: ops.image.resize(x, (16, 16))),
        "softmax",
    ),
    "main of a dict": (
        lambda: outputs(
            lambda x: {"auxiliary": conv(x), "z": conv(x, activation="softmax")}
        ),
        "softmax",
    ),
    "main of a list": (
        lambda: outputs(lambda x: [conv(x, activation="softmax"), conv(x)]),
        "softmax",
    ),
    "logits": (lambda: outputs(conv), None),
    "relu": (lambda: outputs(lambda x: conv(x, activation="relu")), None),
    "attention": (lambda: outputs(lambda x: conv(ops.softmax(conv(x)))), None),
    "auxiliary": (
        lambda: outputs(
            lambda x: {"main": conv(x), "auxiliary": conv(x, activation="softmax")}
        ),
        None,
    ),
}


@pytest.mark.parametrize(("network", "expected"), FOUND.values(), ids=FOUND)
def test_final_activation(network, expected):
    network = network()
    assert final_activation(network) == expected
    if expected is None:
        check_returns_logits("student", network)
        return
    with pytest.raises(ValueError, match=f"`student` must return logits.*{expected}"):
        check_returns_logits("student", network)


@pytest.mark.parametrize("name", ["conv", "sequential", "main of a dict", "logits"])
def test_a_network_that_was_called_before(name):
    network, expected = FOUND[name]
    network = network()
    network(image())
    assert final_activation(network) == expected


def test_one_channel_is_refused():
    network = outputs(lambda x: keras.layers.Conv2D(1, 1, activation="sigmoid")(x))
    with pytest.raises(ValueError, match="`student` must have a channel for"):
        check_returns_logits("student", network)


def test_a_subclassed_model_is_not_known():
    class Network(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = keras.layers.Conv2D(2, 1, activation="softmax")

        def call(self, images):
            return self.conv(images)

    network = Network()
    network(np.zeros((1, 8, 8, 3), "float32"))
    assert final_activation(network) is None


def test_the_cures_of_the_message():
    network = softmax_network()
    network.layers[-1].activation = keras.activations.linear
    check_returns_logits("student", network)
    network = FOUND["sequential"][0]()
    network = keras.Model(network.inputs, network.layers[-2].output)
    check_returns_logits("student", network)
