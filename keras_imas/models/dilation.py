"""Dilation in place of stride: a classifier's features at a higher resolution."""

import keras
from keras import layers

BATCH_NORM_MOMENTUM = 0.9
"""Keras' sense; hardness and pseudo labels run on moving statistics, which at the 0.99
or 0.999 of `keras.applications` lag far behind a training run."""


def dilate(network, output_stride, *, multi_grid=None, synchronized=False):
    """Clone a convolutional network so that it strides no further than asked for.

    A layer that would stride further does not stride; the layers after it are dilated
    instead, so that every feature sees the pixels that it saw before. The weights are
    copied. Strided layers with odd kernels pad alike on all sides, whatever the size
    (as Keras does at odd sizes): feature i lies over pixel `stride * i`, as resizing
    with aligned corners has it.

    Args:
        network: Functional `keras.Model` of an image classifier's trunk.
        output_stride: Pixels of the image per pixel of the features, at least.
        multi_grid: Dict of dilations by layer name, in place of what the stride says.
            Defaults to `None`.
        synchronized: Whether batch normalization takes its statistics over all
            replicas; on TensorFlow alone. Defaults to `False`.

    Returns:
        `keras.Model` with the layers of `network` under their names; nested
        `Sequential` models are opened.

    Example:
        >>> x = images = keras.Input((None, None, 3))
        >>> for i in range(3):
        ...     x = layers.Conv2D(4, 3, strides=2, padding="same", name=f"c{i}")(x)
        >>> dilated = dilate(keras.Model(images, x), 4)
        >>> dilated.compute_output_shape((1, 33, 33, 3))
        (1, 9, 9, 4)
    """
    grids = multi_grid or {}
    geometry = {}  # of each tensor: its stride, and the dilation that it asks for
    tensors = []  # keeps them alive, as their ids are the keys
    copies = []

    def clone(layer, **changes):
        copy = layer.__class__.from_config({**layer.get_config(), **changes})
        copies.append((layer, copy))
        return copy

    def call(layer, x, *args, **kwargs):
        first = x[0] if isinstance(x, list | tuple) else x
        stride, dilation = geometry.get(id(first), (1, 1))
        if isinstance(layer, keras.Sequential):
            for inner in layer.layers:
                x = call(inner, x)
            return x
        if isinstance(layer, layers.ZeroPadding2D):
            return x  # each layer brings its own padding
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            x, stride, dilation = convolve(layer, x, stride, dilation)
        elif isinstance(layer, layers.MaxPooling2D):
            x, stride, dilation = pool(layer, x, stride, dilation)
        elif isinstance(layer, layers.BatchNormalization):
            copy = clone(layer, momentum=BATCH_NORM_MOMENTUM, synchronized=synchronized)
            x = copy(x)
        elif isinstance(layer, layers.Layer):
            x = clone(layer)(x, *args, **kwargs)
        else:  # an operation, such as `+`
            x = layer(x, *args, **kwargs)
        geometry[id(x)] = stride, dilation
        tensors.append(x)
        return x

    def convolve(layer, x, stride, dilation):
        kernel, step = layer.kernel_size[0], layer.strides[0]
        rate = grids.get(layer.name, dilation) if kernel > 1 else 1
        if stride * step > output_stride:
            if kernel % 2 == 0:  # the kernel begins at its pixel, whatever its rate
                after = (0, rate * (kernel - 1))
                x = layers.ZeroPadding2D((after, after), name=f"{layer.name}_pad")(x)
            padding = "same" if kernel % 2 else "valid"
            copy = clone(layer, strides=1, padding=padding, dilation_rate=rate)
            return copy(x), stride, dilation * step
        if step > 1:
            x, padding = pad(layer, x, kernel)
            return clone(layer, padding=padding)(x), stride * step, dilation
        copy = clone(layer, padding="same", dilation_rate=rate)
        return copy(x), stride, dilation

    def pool(layer, x, stride, dilation):
        size, step = layer.pool_size[0], layer.strides[0]
        if stride * step > output_stride:
            if size > 1:
                raise ValueError(
                    f"`output_stride` must be larger, as {layer.name!r} can't be "
                    f"dilated. Received: output_stride={output_stride}"
                )
            return x, stride, dilation * step
        x, padding = pad(layer, x, size)
        return clone(layer, padding=padding)(x), stride * step, dilation

    def pad(layer, x, kernel):
        if kernel % 2 == 0:
            return x, "same"
        if kernel > 1:
            x = layers.ZeroPadding2D(kernel // 2, name=f"{layer.name}_pad")(x)
        return x, "valid"

    # `call` makes the copies, as they depend on the tensor that they are called on.
    dilated = keras.models.clone_model(
        network, clone_function=lambda layer: layer, call_function=call
    )
    for layer, copy in copies:
        copy.set_weights(layer.get_weights())
    return dilated
