"""DeepLabV3+ (Chen et al., ECCV 2018), with separable convolutions."""

import keras
from keras import layers

from keras_imas.models.backbones import BATCH_NORM_MOMENTUM, dilated_backbone
from keras_imas.resize import ResizeLike


def deeplab_v3_plus(
    num_classes,
    *,
    backbone="mobilenet_v2",
    output_stride=16,
    weights="imagenet",
    input_shape=(None, None, 3),
    channels=64,
):
    """Build a DeepLabV3+ from images 0..255 to logits at the images' resolution.

    Encoder, atrous spatial pyramid pooling (rates 6, 12, 18 at output stride 16, twice
    that at 8), and a decoder that adds 48 channels of low-level features. Resizing is
    bilinear with aligned corners. Any image size works, multiples of 32 or not; sizes
    of 32 n + 1 align best.

    Args:
        num_classes: Number of classes C.
        backbone: Name of the encoder, see `keras_imas.models.BACKBONES`. Defaults to
            `"mobilenet_v2"`.
        output_stride: 8, 16 or 32. Defaults to `16`.
        weights: `"imagenet"` (a download at first use), the path of a weights file, or
            `None` for random ones: of the encoder. Defaults to `"imagenet"`.
        input_shape: `(height, width, 3)`; `None` for any height or width. Defaults to
            `(None, None, 3)`.
        channels: Width of pyramid and decoder. Defaults to `64`.

    Returns:
        `keras.Model` from `(B, H, W, 3)` to logits `(B, H, W, C)`.

    Raises:
        ValueError: If an argument is not one of the above.

    Example:
        >>> network = deeplab_v3_plus(19, weights=None)
        >>> tuple(network(keras.ops.zeros((1, 33, 65, 3))).shape)
        (1, 33, 65, 19)
    """
    if num_classes < 1:
        raise ValueError(
            f"`num_classes` must be positive. Received: num_classes={num_classes}"
        )
    images = keras.Input(input_shape, name="images")
    encoder = dilated_backbone(
        backbone, output_stride=output_stride, weights=weights, input_shape=input_shape
    )
    low_level, high_level = encoder(images)

    rates = [rate * 16 // output_stride for rate in (6, 12, 18)]
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(high_level)
    pooled = _convolution(pooled, channels, "aspp_pool")
    branches = [
        _convolution(high_level, channels, "aspp_1x1"),
        *(_separable(high_level, channels, f"aspp_{r}", dilation=r) for r in rates),
        ResizeLike(name="aspp_pool_resize")([pooled, high_level]),
    ]
    x = layers.Concatenate(name="aspp_concat")(branches)
    x = _convolution(x, channels, "aspp_project")

    x = ResizeLike(name="decoder_resize")([x, low_level])
    low_level = _convolution(low_level, 48, "decoder_low_level")
    x = layers.Concatenate(name="decoder_concat")([x, low_level])
    x = _separable(x, channels, "decoder_1")
    x = _separable(x, channels, "decoder_2")
    x = layers.Conv2D(num_classes, 1, name="classifier")(x)
    logits = ResizeLike(name="logits", dtype="float32")([x, images])
    return keras.Model(images, logits, name="deeplab_v3_plus")


def _convolution(x, channels, name):
    x = layers.Conv2D(channels, 1, use_bias=False, name=name)(x)
    return _normalize(x, name)


def _separable(x, channels, name, dilation=1):
    x = layers.DepthwiseConv2D(
        3,
        padding="same",
        dilation_rate=dilation,
        use_bias=False,
        name=f"{name}_depthwise",
    )(x)
    return _convolution(_normalize(x, f"{name}_depthwise"), channels, name)


def _normalize(x, name):
    x = layers.BatchNormalization(
        momentum=BATCH_NORM_MOMENTUM, epsilon=1e-5, name=f"{name}_bn"
    )(x)
    return layers.ReLU(name=f"{name}_relu")(x)
