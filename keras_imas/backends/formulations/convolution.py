"""Convolution as products of matrices, one for each tap of the kernel."""

from keras import ops


def same_padding(size, kernel_size, stride=1, dilation=1):
    """Return the zeros before and after an axis that `padding="same"` means.

    Args:
        size: Length of the axis.
        kernel_size: Taps of the kernel along it.
        stride: Its stride. Defaults to `1`.
        dilation: Its dilation. Defaults to `1`.

    Returns:
        Two integers.

    Example:
        >>> same_padding(8, 3, stride=2)
        (0, 1)
    """
    extent = dilation * (kernel_size - 1) + 1
    total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def channels_last(layer):
    """Tell whether a layer's features are `(B, H, W, channels)`.

    Args:
        layer: Layer with a `data_format`.

    Returns:
        Boolean.

    Example:
        >>> import keras
        >>> channels_last(keras.layers.Conv2D(8, 3, data_format="channels_first"))
        False
    """
    return layer.data_format == "channels_last"


def is_atrous(layer, inputs):
    """Tell whether a quarter or more of a convolution's products are with padding.

    So it is with the large dilations of atrous spatial pyramid pooling.

    Args:
        layer: `keras.layers.Conv2D`.
        inputs: Its input.

    Returns:
        Whether `atrous_convolution` serves it, and leaves out so much.

    Example:
        >>> import keras
        >>> layer = keras.layers.Conv2D(8, 3, padding="same", dilation_rate=12)
        >>> is_atrous(layer, ops.zeros((1, 17, 17, 4)))
        True
        >>> is_atrous(layer, ops.zeros((1, 97, 97, 4)))
        False
    """
    plain = layer.strides == (1, 1) and layer.groups == 1 and layer.padding == "same"
    odd = all(size % 2 for size in layer.kernel_size)
    if not (plain and odd and channels_last(layer)) or None in inputs.shape[1:3]:
        return False
    share = 1.0
    axes = zip(inputs.shape[1:3], layer.kernel_size, layer.dilation_rate, strict=True)
    for size, taps, rate in axes:
        inside = (stop - start for start, stop, _ in _spans(size, taps, rate))
        share *= sum(inside) / (taps * size)
    return share <= 0.75


def atrous_convolution(inputs, kernel, dilation_rate):
    """Convolve by one product of matrices for each tap, without those with padding.

    Args:
        inputs: Tensor `(B, H, W, channels)` of known height and width.
        kernel: Tensor `(kernel height, kernel width, channels, filters)`, of odd sides.
        dilation_rate: Two integers.

    Returns:
        Tensor `(B, H, W, filters)`: the convolution with `padding="same"`.

    Example:
        >>> image, kernel = ops.ones((1, 1, 3, 1)), ops.ones((1, 3, 1, 1))
        >>> result = atrous_convolution(image, kernel, (2, 2))
        >>> ops.convert_to_numpy(result).ravel().tolist()
        [2.0, 1.0, 2.0]
    """
    batch_size, height, width, channels = ops.shape(inputs)
    rows = _spans(height, kernel.shape[0], dilation_rate[0])
    columns = _spans(width, kernel.shape[1], dilation_rate[1])
    total = 0.0
    for top, bottom, down in rows:
        for left, right, across in columns:
            seen = ops.slice(
                inputs,
                (0, top + down, left + across, 0),
                (batch_size, bottom - top, right - left, channels),
            )
            tap = kernel[
                kernel.shape[0] // 2 + down // dilation_rate[0],
                kernel.shape[1] // 2 + across // dilation_rate[1],
            ]
            around = ((0, 0), (top, height - bottom), (left, width - right), (0, 0))
            total = total + ops.pad(ops.matmul(seen, tap), around)
    return total


def _spans(size, taps, rate):
    """List for each tap the outputs, from and to, that see no padding, and its shift.

    Taps that see nothing else are left out.
    """
    shifts = [rate * (tap - taps // 2) for tap in range(taps)]
    spans = [(max(0, -shift), min(size, size - shift), shift) for shift in shifts]
    return [span for span in spans if span[0] < span[1]]
