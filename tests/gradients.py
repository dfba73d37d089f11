"""Gradients of a network's trainable variables, by the active backend."""

import keras
import numpy as np


def gradients(network, images, loss):
    """Return the gradients as arrays, in the order of `network.trainable_variables`.

    Args:
        network: Keras model.
        images: Array.
        loss: Function from what the network returns to a scalar.
    """
    variables = network.trainable_variables
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        @tf.function
        def run():
            with tf.GradientTape() as tape:
                total = loss(network(images, training=True))
            return tape.gradient(total, [v.value for v in variables])

        return [x.numpy() for x in run()]
    if keras.backend.backend() == "jax":
        import jax

        @jax.jit
        @jax.grad
        def run(values):
            fixed = [v.value for v in network.non_trainable_variables]
            return loss(network.stateless_call(values, fixed, images, training=True)[0])

        return [np.asarray(x) for x in run([v.value for v in variables])]
    network.zero_grad()
    loss(network(images, training=True)).backward()
    return [v.value.grad.numpy() for v in variables]
