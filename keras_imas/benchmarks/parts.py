"""The method's own parts of a training step, each compiled and run alone."""

import keras
import numpy as np
from keras import ops

import keras_imas
from keras_imas.augment.cutmix import cutmix_partners, paste, sample_boxes
from keras_imas.augment.intensity import blend
from keras_imas.losses import Crossentropy, consistency_losses
from keras_imas.teacher import ema_update, move_teacher


def make_parts(network, batch_size, crop_size, num_classes):
    """Return for each part a function that runs it once, and waits for it.

    Args:
        network: Function that returns a network.
        batch_size: Number of labeled images, and of unlabeled ones.
        crop_size: Side of the crops in pixels.
        num_classes: Number of classes.

    Returns:
        Dict from name to function.
    """
    rng = np.random.default_rng(0)
    size = (batch_size, crop_size, crop_size)

    def logits():
        shape = (*size, num_classes)
        return ops.convert_to_tensor(rng.standard_normal(shape, dtype="float32"))

    def images():
        return ops.convert_to_tensor(255 * rng.random((*size, 3), dtype="float32"))

    labels = ops.convert_to_tensor(rng.integers(0, num_classes, size).astype("int32"))
    confidence = ops.convert_to_tensor(rng.random(size, dtype="float32"))
    hardness = ops.convert_to_tensor(rng.uniform(size=batch_size).astype("float32"))

    boxes = sample_boxes(batch_size, crop_size, crop_size, seed=1)

    def mix(strong, weak, labels, confidence, hardness):
        partners = cutmix_partners(hardness)
        pasted = [paste(x, boxes, partners) for x in (weak, labels, confidence)]
        return [blend(strong, weak, hardness), *pasted]

    def loss(supervised, strong, mixed):
        targets = (labels, confidence)
        consistency = [
            consistency_losses(x, *targets, hardness=hardness) for x in (strong, mixed)
        ]
        return Crossentropy()(labels, supervised) + ops.mean(sum(consistency))

    return {
        "hardness": compiled(keras_imas.hardness, logits(), logits()),
        "blend and CutMix": compiled(
            mix, images(), images(), labels, confidence, hardness
        ),
        "losses and their gradients": compiled(
            _gradients(loss, 3), logits(), logits(), logits()
        ),
        "optimizer": _optimizer(network()),
        "EMA": _ema(network(), network()),
    }


def compiled(function, *arrays):
    """Return a function that runs another, compiled, and waits for it.

    Args:
        function: Function of tensors.
        *arrays: The tensors to pass.

    Returns:
        Function without arguments.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        jitted = jax.jit(function)
        return lambda: jax.block_until_ready(jitted(*arrays))
    if backend == "tensorflow":
        import tensorflow as tf

        traced = tf.function(function, autograph=False)
        return lambda: _wait_for_tensorflow(traced(*arrays))
    return lambda: _wait_for_torch(function(*arrays))


def _wait_for_tensorflow(result):
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        tf.test.experimental.sync_devices()
    return result


def _wait_for_torch(result):
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return result


def _gradients(function, count):
    """Return the function's gradients by its arguments."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.grad(function, argnums=tuple(range(count)))

    def by_tape(*arrays):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(arrays)
            value = function(*arrays)
        return tape.gradient(value, arrays)

    def by_backward(*arrays):
        import torch

        arrays = [array.requires_grad_() for array in arrays]
        return torch.autograd.grad(function(*arrays), arrays)

    return by_tape if backend == "tensorflow" else by_backward


def _optimizer(network):
    optimizer = keras_imas.optimizers.SGD(1e-4, momentum=0.9, l2=1e-4)
    variables = network.trainable_variables
    optimizer.build(variables)
    rng = np.random.default_rng(0)
    gradients = [
        ops.convert_to_tensor(rng.normal(size=variable.shape).astype("float32"))
        for variable in variables
    ]
    if keras.backend.backend() != "jax":
        return compiled(lambda gradients: optimizer.apply(gradients), gradients)
    return _updating(
        lambda state, gradients: optimizer.stateless_apply(
            state[1], gradients, state[0]
        ),
        [[v.value for v in part] for part in (variables, optimizer.variables)],
        gradients,
    )


def _ema(teacher, student):
    if keras.backend.backend() != "jax":
        weights = teacher.weights, student.weights
        decay = ops.convert_to_tensor(0.99)
        return compiled(lambda decay: move_teacher(*weights, decay), decay)
    theirs = [weight.value for weight in student.weights]
    return _updating(
        lambda ours, theirs: [
            ema_update(*pair, 0.99) for pair in zip(ours, theirs, strict=True)
        ],
        [weight.value for weight in teacher.weights],
        theirs,
    )


def _updating(function, state, fixed):
    """Return a function that puts what another makes of its state in the state's place.

    Buffers are reused, as Keras has them on JAX.
    """
    import jax

    # Copies, as donated buffers are gone, and the network's are its own.
    state = jax.tree.map(lambda x: x + 0, state)
    jitted = jax.jit(function, donate_argnums=0)

    def run():
        nonlocal state
        state = jax.block_until_ready(jitted(state, fixed))

    return run
