"""JAX on CPUs: convolutions whose gradients are products of matrices.

XLA has good convolutions for processors, but their gradients by the kernel, and
convolutions that are dilated or depthwise, take many times as long as the same work as
products. On GPUs and TPUs Keras' own are used.
"""

import functools

import jax
import keras
from jax import lax
from keras import ops

from keras_imas.backends.formulations.convolution import (
    atrous_convolution,
    channels_last,
    is_atrous,
    same_padding,
)


def convolve(layer, inputs, kernel):
    """Compute `Conv2D.convolution_op`."""
    if jax.default_backend() != "cpu" or layer.groups != 1 or not channels_last(layer):
        return type(layer).convolution_op(layer, inputs, kernel)
    kernel = ops.convert_to_tensor(kernel)
    if layer.kernel_size == (1, 1):
        down, across = layer.strides
        return ops.matmul(inputs[:, ::down, ::across], kernel[0, 0])
    if is_atrous(layer, inputs):
        return atrous_convolution(inputs, kernel, layer.dilation_rate)
    padding = _padding(layer, inputs)
    return _convolve(inputs, kernel, layer.strides, padding, layer.dilation_rate)


def convolve_depthwise(layer, inputs):
    """Compute `DepthwiseConv2D.call`."""
    known = layer.depth_multiplier == 1 and channels_last(layer)
    if jax.default_backend() != "cpu" or not known:
        return type(layer).call(layer, inputs)
    kernel = ops.convert_to_tensor(layer.kernel)[..., 0]
    shifted = _shifted(
        inputs,
        layer.kernel_size,
        layer.strides,
        _padding(layer, inputs),
        layer.dilation_rate,
    )
    outputs = sum(kernel[tap] * part for tap, part in shifted)
    if layer.use_bias:
        outputs = outputs + ops.convert_to_tensor(layer.bias)
    return outputs if layer.activation is None else layer.activation(outputs)


def _padding(layer, inputs):
    if layer.padding == "valid":
        return ((0, 0), (0, 0))
    sides = zip(
        inputs.shape[1:3],
        layer.kernel_size,
        layer.strides,
        layer.dilation_rate,
        strict=True,
    )
    return tuple(same_padding(*side) for side in sides)


def _shifted(inputs, kernel_size, strides, padding, dilation_rate):
    """Yield each tap of a kernel, and of the inputs the part that it sees."""
    inputs = ops.pad(inputs, ((0, 0), *padding, (0, 0)))
    spans = [
        [
            (rate * tap, rate * tap + size - rate * (taps - 1))
            for tap in range(taps)
        ]
        for size, taps, rate in zip(
            inputs.shape[1:3], kernel_size, dilation_rate, strict=True
        )
    ]  # fmt: skip
    down, across = strides
    for row, (top, bottom) in enumerate(spans[0]):
        for column, (left, right) in enumerate(spans[1]):
            yield (row, column), inputs[:, top:bottom:down, left:right:across]


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _convolve(inputs, kernel, strides, padding, dilation_rate):
    return lax.conv_general_dilated(
        inputs,
        kernel,
        strides,
        padding,
        rhs_dilation=dilation_rate,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _forward(inputs, kernel, *geometry):
    return _convolve.fun(inputs, kernel, *geometry), (inputs, kernel)


def _backward(strides, padding, dilation_rate, residuals, gradient):
    inputs, kernel = residuals
    geometry = strides, padding, dilation_rate
    _, by_inputs = jax.vjp(lambda x: _convolve.fun(x, kernel, *geometry), inputs)
    rows, columns, channels, filters = kernel.shape
    flat = ops.reshape(gradient, (-1, filters))
    by_kernel = [
        lax.dot_general(
            ops.reshape(part, (-1, channels)), flat, (((0,), (0,)), ((), ()))
        )
        for _, part in _shifted(inputs, (rows, columns), *geometry)
    ]
    return *by_inputs(gradient), ops.reshape(ops.stack(by_kernel), kernel.shape)


_convolve.defvjp(_forward, _backward)

FORMULATIONS = {
    keras.layers.Conv2D: ("convolution_op", convolve),
    keras.layers.DepthwiseConv2D: ("call", convolve_depthwise),
}
"""For each layer the method that is replaced, and by what."""
