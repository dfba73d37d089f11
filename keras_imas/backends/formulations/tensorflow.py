"""TensorFlow: batch normalization in one operation, and atrous convolution on CPUs.

`keras.layers.BatchNormalization` takes several passes over the features, as many again
in the gradient. On processors TensorFlow makes a dilated convolution a batch of small
ones, which for a dilation of 18 takes many times the work.
"""

import keras
import tensorflow as tf
from keras import ops

from keras_imas.backends.formulations.convolution import atrous_convolution, is_atrous


def convolve(layer, inputs, kernel):
    """Compute `Conv2D.convolution_op`."""
    devices = tf.config.list_logical_devices()
    if is_atrous(layer, inputs) and all(x.device_type == "CPU" for x in devices):
        kernel = ops.convert_to_tensor(kernel)
        return atrous_convolution(inputs, kernel, layer.dilation_rate)
    return type(layer).convolution_op(layer, inputs, kernel)


def normalize(layer, inputs, training=None, mask=None):
    """Compute `BatchNormalization.call`."""
    training = training and layer.trainable
    known = len(inputs.shape) == 4 and layer.axis in (3, -1) and mask is None
    if not known or layer.renorm or (training and layer.synchronized):
        return type(layer).call(layer, inputs, training=training, mask=mask)
    channels = (inputs.shape[-1],)
    gamma = tf.cast(layer.gamma, "float32") if layer.scale else tf.ones(channels)
    beta = tf.cast(layer.beta, "float32") if layer.center else tf.zeros(channels)
    statistics = {}
    if not training:
        statistics["mean"] = tf.cast(layer.moving_mean, "float32")
        statistics["variance"] = tf.cast(layer.moving_variance, "float32")
    outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
        inputs,
        gamma,
        beta,
        epsilon=layer.epsilon,
        is_training=bool(training),
        **statistics,
    )
    if training:
        # It divides the variance by the number of values less one, Keras by all.
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:3]), "float32")
        rest = 1.0 - layer.momentum
        for moving, new in (
            (layer.moving_mean, mean),
            (layer.moving_variance, variance * (1.0 - 1.0 / count)),
        ):
            moving.assign(moving * layer.momentum + new * rest)
    return outputs


FORMULATIONS = {
    keras.layers.Conv2D: ("convolution_op", convolve),
    keras.layers.BatchNormalization: ("call", normalize),
}
"""For each layer the method that is replaced, and by what."""
