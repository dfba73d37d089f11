"""The paper's encoder: a ResNet with three 3x3 convolutions in its stem."""

import keras
from keras import layers

from keras_imas.models.checkpoint_tensors import read_tensors

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def deep_stem_resnet(depth, *, input_shape=(None, None, 3)):
    """Build the trunk of a ResNet-50 or 101 with a deep stem, at stride 32.

    Three 3×3 convolutions (64, 64, 128 channels) instead of one 7×7, and a block's
    stride on its 3×3 convolution.

    Args:
        depth: 50 or 101.
        input_shape: `(height, width, 3)`; `None` for any height or width. Defaults to
            `(None, None, 3)`.

    Returns:
        `keras.Model` from standardized images to features of 2,048 channels. Layers
        are named as in `keras.applications.ResNet50`.

    Raises:
        ValueError: If `depth` is neither.

    Example:
        >>> deep_stem_resnet(50).count_params()
        23685312
    """
    if depth not in BLOCKS:
        raise ValueError(f"`depth` must be 50 or 101. Received: depth={depth!r}")
    x = images = keras.Input(input_shape)
    for number, (filters, strides) in enumerate([(64, 2), (64, 1), (128, 1)], 1):
        x = _convolution(x, filters, 3, f"conv1_{number}", strides=strides)
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    for stage, blocks in enumerate(BLOCKS[depth]):
        for block in range(blocks):
            x = _bottleneck(
                x,
                filters=64 * 2**stage,
                strides=2 if stage > 0 and block == 0 else 1,
                shortcut=block == 0,
                name=f"conv{stage + 2}_block{block + 1}",
            )
    return keras.Model(images, x, name=f"resnet{depth}_deep_stem")


def _bottleneck(x, filters, strides, shortcut, name):
    identity = x
    if shortcut:
        identity = _convolution(x, 4 * filters, 1, f"{name}_0", strides, relu=False)
    x = _convolution(x, filters, 1, f"{name}_1")
    x = _convolution(x, filters, 3, f"{name}_2", strides)
    x = _convolution(x, 4 * filters, 1, f"{name}_3", relu=False)
    x = layers.Add(name=f"{name}_add")([identity, x])
    return layers.Activation("relu", name=f"{name}_out")(x)


def _convolution(x, filters, kernel, name, strides=1, relu=True):
    if kernel > 1:
        x = layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
    x = layers.Conv2D(
        filters,
        kernel,
        strides,
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    x = layers.BatchNormalization(epsilon=1e-5, name=f"{name}_bn")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x) if relu else x


def load_torch_checkpoint(network, filepath):
    """Load a PyTorch checkpoint of a deep-stem ResNet.

    Both layouts in public use are read: with the stem as `conv1.0 ... conv1.6, bn1`,
    and as `conv1, bn1, conv2, bn2, conv3, bn3`. The classifier (`fc`) is left out, and
    a prefix that all names share (`module.`, `backbone.`) is no matter. Needs PyTorch.

    Args:
        network: `keras.Model` with the layers of `deep_stem_resnet`, dilated or not.
        filepath: The checkpoint, as `torch.save` writes a `state_dict`.

    Raises:
        ValueError: If the checkpoint lacks a tensor, holds one of another shape, or
            others than these; its name is given. Nothing is loaded then.
        ImportError: If PyTorch is not installed.
    """
    tensors = read_tensors(filepath)
    loaded = []
    for name, theirs in _torch_names(network, sequential="conv1.6.weight" in tensors):
        layer = network.get_layer(name)
        values = []
        for variable, suffix in zip(layer.weights, _SUFFIXES[type(layer)], strict=True):
            key = f"{theirs}.{suffix}"
            if key not in tensors:
                raise ValueError(f"The checkpoint {filepath!r} has no tensor {key!r}")
            value = tensors.pop(key)
            if value.ndim == 4:
                value = value.transpose(2, 3, 1, 0)  # from (out, in, height, width)
            if value.shape != tuple(variable.shape):
                raise ValueError(
                    f"The tensor {key!r} of {filepath!r} must be of shape "
                    f"{tuple(variable.shape)} (PyTorch's order: out, in, height, width)"
                    f". Received: {value.shape}"
                )
            values.append(value)
        loaded.append((layer, values))
    left = [k for k in tensors if not k.startswith("fc.") and "num_batches" not in k]
    if left:
        raise ValueError(
            f"The checkpoint {filepath!r} is of another network: it holds {left[0]!r}, "
            f"which {network.name} does not have"
        )
    for layer, values in loaded:
        layer.set_weights(values)


_SUFFIXES = {
    layers.Conv2D: ("weight",),
    layers.BatchNormalization: ("weight", "bias", "running_mean", "running_var"),
}


def _torch_names(network, sequential):
    """Yield the layers with weights, each with its name in the checkpoint."""
    for layer in network.layers:
        if not layer.weights:
            continue
        block, _, kind = layer.name.rpartition("_")
        place, _, number = block.rpartition("_")
        if place == "conv1":
            number = int(number)
            if not sequential:
                theirs = f"{kind}{number}"
            elif kind == "conv":
                theirs = f"conv1.{3 * (number - 1)}"
            else:
                theirs = "bn1" if number == 3 else f"conv1.{3 * number - 2}"
        else:
            stage, block = place.removeprefix("conv").split("_block")
            theirs = f"layer{int(stage) - 1}.{int(block) - 1}."
            if number == "0":
                theirs += f"downsample.{int(kind == 'bn')}"
            else:
                theirs += f"{kind}{number}"
        yield layer.name, theirs
