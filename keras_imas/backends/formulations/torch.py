"""PyTorch: no copies around convolutions, and several passes as one.

Keras copies the features before each convolution to another order in memory and back,
where a view serves, and normalizes batches by a dozen passes over the features. A step
of SGD and the teacher's average take new memory for each of their operations.
"""

import keras
import torch
from keras import ops
from torch.nn import functional

from keras_imas.backends.formulations.convolution import (
    atrous_convolution,
    is_atrous,
    same_padding,
)


def convolve(layer, inputs, kernel):
    """Compute `Conv2D.convolution_op`."""
    kernel = ops.convert_to_tensor(kernel)
    if inputs.device.type == "cpu" and is_atrous(layer, inputs):
        return atrous_convolution(inputs, kernel, layer.dilation_rate)
    return _convolve(layer, inputs, kernel, layer.groups)


def convolve_depthwise(layer, inputs):
    """Compute `DepthwiseConv2D.call`."""
    kernel = ops.convert_to_tensor(layer.kernel)
    channels = inputs.shape[-1]
    kernel = kernel.reshape(*kernel.shape[:2], 1, -1)
    outputs = _convolve(layer, inputs, kernel, channels)
    if layer.use_bias:
        outputs = outputs + ops.convert_to_tensor(layer.bias)
    return outputs if layer.activation is None else layer.activation(outputs)


def _convolve(layer, inputs, kernel, groups):
    images = inputs.permute(0, 3, 1, 2)
    padding = 0
    if layer.padding == "same":
        sides = zip(
            images.shape[2:],
            layer.kernel_size,
            layer.strides,
            layer.dilation_rate,
            strict=True,
        )
        rows, columns = (same_padding(*side) for side in sides)
        padding = rows[0], columns[0]
        if rows[0] != rows[1] or columns[0] != columns[1]:
            images, padding = functional.pad(images, (*columns, *rows)), 0
    outputs = functional.conv2d(
        images,
        kernel.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last),
        stride=layer.strides,
        padding=padding,
        dilation=layer.dilation_rate,
        groups=groups,
    )
    return outputs.permute(0, 2, 3, 1)


def pool(layer, inputs):
    """Compute `MaxPooling2D.call`."""
    if layer.padding != "valid":
        return type(layer).call(layer, inputs)
    images = inputs.permute(0, 3, 1, 2)
    outputs = functional.max_pool2d(images, layer.pool_size, layer.strides)
    return outputs.permute(0, 2, 3, 1)


def normalize(layer, inputs, training=None, mask=None):
    """Compute `BatchNormalization.call`."""
    training = training and layer.trainable
    count = inputs.numel() // inputs.shape[-1]
    known = inputs.ndim == 4 and layer.axis in (3, -1) and mask is None
    if not known or layer.renorm or layer.synchronized or (training and count < 2):
        return type(layer).call(layer, inputs, training=training, mask=mask)
    gamma = layer.gamma.value.float() if layer.scale else None
    beta = layer.beta.value.float() if layer.center else None
    moving = layer.moving_mean, layer.moving_variance
    # In training a momentum of 1 puts the batch's own statistics there.
    if training:
        statistics = [torch.zeros_like(variable.value) for variable in moving]
    else:
        statistics = [variable.value.float() for variable in moving]
    outputs = torch.batch_norm(
        inputs.permute(0, 3, 1, 2),
        gamma,
        beta,
        *statistics,
        bool(training),
        1.0,
        layer.epsilon,
        torch.backends.cudnn.enabled,
    )
    if training:
        # It divides the variance by the number of values less one, Keras by all.
        mean, variance = statistics
        rest = 1.0 - layer.momentum
        for variable, new in zip(
            moving, (mean, variance * (1.0 - 1.0 / count)), strict=True
        ):
            variable.assign(variable * layer.momentum + new * rest)
    return outputs.permute(0, 2, 3, 1)


def segment_sum(data, segment_ids, num_segments):
    """Compute `keras.ops.segment_sum` of a vector; all ids must be segments."""
    sums = torch.zeros(num_segments, dtype=data.dtype, device=data.device)
    return sums.scatter_add(0, segment_ids.long(), data)


@torch.no_grad()
def interpolate(variable, other, decay):
    """Compute `ema_update` of float32 variables, in place and in one pass."""
    variable.value.lerp_(other.value, 1.0 - decay)


@torch.no_grad()
def descend(variable, velocity, gradient, learning_rate, momentum, l2):
    """Take a step of SGD, in place; without a velocity where that is `None`."""
    value = variable.value
    gradient = gradient.to(value.dtype)
    if l2:
        gradient = torch.add(gradient, value, alpha=l2)
    rate = -learning_rate.to(value.dtype)
    if velocity is None:
        value.addcmul_(gradient, rate)
    else:
        value.add_(velocity.value.mul_(momentum).addcmul_(gradient, rate))


FORMULATIONS = {
    keras.layers.Conv2D: ("convolution_op", convolve),
    keras.layers.DepthwiseConv2D: ("call", convolve_depthwise),
    keras.layers.MaxPooling2D: ("call", pool),
    keras.layers.BatchNormalization: ("call", normalize),
}
"""For each layer the method that is replaced, and by what."""
