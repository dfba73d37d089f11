"""PyTorch: no copies around convolutions, and several passes as one.

Keras copies the features before each convolution to another order in memory and back,
where a view serves, and normalizes batches by a dozen passes over the features. A step
of SGD and the teacher's average take new memory for each of their operations.
"""

import functools

import keras
import torch
from keras import ops
from torch.nn import functional

from keras_imas.backends.formulations.convolution import (
    atrous_convolution,
    channels_last,
    is_atrous,
    same_padding,
)


def convolve(layer, inputs, kernel):
    """Compute `Conv2D.convolution_op`."""
    if not channels_last(layer):
        return type(layer).convolution_op(layer, inputs, kernel)
    kernel = ops.convert_to_tensor(kernel)
    if inputs.device.type == "cpu" and is_atrous(layer, inputs):
        return atrous_convolution(inputs, kernel, layer.dilation_rate)
    return _convolve(layer, inputs, kernel, layer.groups)


def convolve_depthwise(layer, inputs):
    """Compute `DepthwiseConv2D.call`."""
    if not channels_last(layer):
        return type(layer).call(layer, inputs)
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
    if layer.padding != "valid" or not channels_last(layer):
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
    mean = layer.moving_mean.value.float()
    variance = layer.moving_variance.value.float()
    if training:
        # It divides the batch's variance by the number of values less one, Keras by
        # all: so it moves the variance by another unit.
        share = 1.0 - 1.0 / count
        mean, variance = mean.clone(), variance / share
    outputs = torch.batch_norm(
        inputs.permute(0, 3, 1, 2),
        gamma,
        beta,
        mean,
        variance,
        bool(training),
        1.0 - layer.momentum,
        layer.epsilon,
        torch.backends.cudnn.enabled,
    )
    if training:
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance * share)
    return outputs.permute(0, 2, 3, 1)


def segment_sum(data, segment_ids, num_segments):
    """Compute `keras.ops.segment_sum` of a vector; all ids must be segments."""
    sums = torch.zeros(num_segments, dtype=data.dtype, device=data.device)
    return sums.scatter_add_(0, segment_ids.long(), data)


def split(images, sizes):
    """Split a batch into parts of known sizes; Keras reads them back from a tensor."""
    return torch.split(images, sizes)


def interpolation(old, new, images):
    """Compute the matrix of `resize_bilinear` along one axis, once for each size."""
    make = _interpolation
    if torch.compiler.is_compiling():  # what it has for tensors is not to be kept
        make = make.__wrapped__
    return make(old, new, images.dtype, images.device)


@functools.lru_cache(maxsize=128)
def _interpolation(old, new, dtype, device):
    # For passes with and without gradients alike, whichever comes first.
    with torch.inference_mode(False), torch.no_grad():
        position = torch.arange(new, device=device) * ((old - 1) / max(new - 1, 1))
        distance = position[:, None] - torch.arange(old, device=device)
        return (1.0 - distance.abs()).clamp_min(0.0).to(dtype)


@torch.no_grad()
def average(pairs, decay, multi_tensor=None):
    """Move the first float32 variable of each pair as `ema_update` does, in place.

    On GPUs all of them by a few operations, elsewhere each by one pass.
    """
    values, others = (_values(pair[i] for pair in pairs) for i in range(2))
    if _in_few_operations(values, multi_tensor):
        torch._foreach_mul_(values, decay)
        torch._foreach_add_(values, torch._foreach_mul(others, 1.0 - decay))
    else:
        rest = 1.0 - decay
        for value, other in zip(values, others, strict=True):
            value.lerp_(other, rest)


@torch.no_grad()
def descend(variables, velocities, gradients, rate, momentum, l2, multi_tensor=None):
    """Take a step of SGD, in place; without momentum there are no velocities.

    On GPUs all variables by a few operations, elsewhere each by its own.
    """
    values = _values(variables)
    gradients = [g.to(v.dtype) for g, v in zip(gradients, values, strict=True)]
    if l2:
        gradients = torch._foreach_add(gradients, values, alpha=l2)
    moved = values
    if momentum:
        moved = _values(velocities)
        torch._foreach_mul_(moved, momentum)
    if _in_few_operations(values, multi_tensor):
        torch._foreach_add_(moved, torch._foreach_mul(gradients, -rate))
    else:
        for value, gradient in zip(moved, gradients, strict=True):
            value.addcmul_(gradient, -rate.to(value.dtype))
    if momentum:
        torch._foreach_add_(values, moved)


@torch.no_grad()
def sums(values, multi_tensor=None):
    """Add up each of float32 tensors, to see whether all their values are finite.

    On GPUs the absolute values of all of them, by a few operations.
    """
    if _in_few_operations(values, multi_tensor):
        return torch._foreach_norm(values, 1)
    return [value.sum() for value in values]


@torch.no_grad()
def snapshot(variables):
    """Return a function that gives variables their values back, or leaves them.

    It takes a boolean scalar tensor, which on a GPU is not read.
    """
    values = _values(variables)
    before = [torch.empty_like(value) for value in values]
    if values:
        torch._foreach_copy_(before, values)

    def restore(where):
        if where.is_cpu and not where:  # to ask is no waiting there
            return
        for value, old in zip(values, before, strict=True):
            torch.where(where, old, value, out=value)

    return torch.no_grad()(restore)


def _values(variables):
    return [variable.value.detach() for variable in variables]


def _in_few_operations(values, multi_tensor):
    """Tell whether to compute all tensors at once: where nothing is said, on GPUs."""
    if multi_tensor is None:
        return any(value.is_cuda for value in values)
    return multi_tensor


FORMULATIONS = {
    keras.layers.Conv2D: ("convolution_op", convolve),
    keras.layers.DepthwiseConv2D: ("call", convolve_depthwise),
    keras.layers.MaxPooling2D: ("call", pool),
    keras.layers.BatchNormalization: ("call", normalize),
}
"""For each layer the method that is replaced, and by what."""
