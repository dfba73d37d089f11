"""DeepLabV3+ (Chen et al., ECCV 2018)."""

from collections.abc import Sequence

import keras
from keras import layers

from keras_imas.models.backbones import dilated_backbone
from keras_imas.models.complementary_dropout import ComplementaryDropout
from keras_imas.models.dilation import BATCH_NORM_MOMENTUM
from keras_imas.models.resize import ResizeLike
from keras_imas.typing import InputShape, StrPath

HEAD = r"(^|/)(aspp|decoder|classifier|auxiliary)"
"""Pattern of the paths of all variables that are not the encoder's."""


def deeplab_v3_plus(
    num_classes: int,
    *,
    backbone: str = "resnet50",
    output_stride: int = 16,
    multi_grid: Sequence[int] | None = None,
    auxiliary_head: bool = False,
    weights: StrPath | None = "imagenet",
    input_shape: InputShape = (None, None, 3),
    channels: int | None = None,
    separable: bool | None = None,
    synchronized: bool = False,
    complementary_dropout: bool = False,
) -> keras.Model:
    """Build a DeepLabV3+ from images 0..255 to logits at the images' resolution.

    Encoder, atrous spatial pyramid pooling (rates 6, 12, 18 at output stride 16, twice
    that at 8), and a decoder that adds 48 channels of low-level features. Resizing is
    bilinear with aligned corners. Any image size works, multiples of 32 or not; sizes
    of 32 n + 1 align best. The paper's network is `backbone="resnet50_deep_stem"` with
    `multi_grid=(1, 2, 4)` and, on Cityscapes, `auxiliary_head=True`.

    Args:
        num_classes: Number of classes C.
        backbone: Name of the encoder, see `keras_imas.models.BACKBONES`. Defaults to
            `"resnet50"`.
        output_stride: 8, 16 or 32. Defaults to `16`.
        multi_grid: See `dilated_backbone`. Defaults to `None`.
        auxiliary_head: Whether to add a second output, logits from the features of
            stage 3 and at their resolution, which `keras_imas.IMAS` resizes for the
            labeled images and trains with `auxiliary_weight`. Defaults to `False`.
        weights: `"imagenet"` (a download at first use), the path of a weights file, or
            `None` for random ones: of the encoder. Defaults to `"imagenet"`.
        input_shape: `(height, width, 3)`; `None` for any height or width. Defaults to
            `(None, None, 3)`.
        channels: Width of pyramid and decoder. Defaults to `None`: 64 on MobileNets,
            256 (as in the paper) on others.
        separable: Whether the 3×3 convolutions of pyramid and decoder are depthwise
            separable. Defaults to `None`: on MobileNets they are.
        synchronized: Whether batch normalization takes its statistics over all
            replicas; on TensorFlow alone (on JAX it does anyway). Defaults to `False`.
        complementary_dropout: Whether to put a `ComplementaryDropout` between encoder
            and head, for the same argument of `keras_imas.IMAS`. Defaults to `False`.

    Returns:
        `keras.Model` from `(B, H, W, 3)` to logits `(B, H, W, C)`, or to a dict of two,
        `"logits"` and `"auxiliary"`.

    Raises:
        ValueError: If an argument is not one of the above.

    Example:
        >>> network = deeplab_v3_plus(19, backbone="mobilenet_v2", weights=None)
        >>> tuple(network(keras.ops.zeros((1, 33, 65, 3))).shape)
        (1, 33, 65, 19)
    """
    if num_classes < 1:
        raise ValueError(
            f"`num_classes` must be positive. Received: num_classes={num_classes}"
        )
    encoder = dilated_backbone(
        backbone,
        output_stride=output_stride,
        multi_grid=multi_grid,
        weights=weights,
        synchronized=synchronized,
        input_shape=input_shape,
    )
    small = "mobilenet" in backbone
    channels = channels or (64 if small else 256)
    separable = small if separable is None else separable

    def normalize(x, name):
        x = layers.BatchNormalization(
            momentum=BATCH_NORM_MOMENTUM,
            epsilon=1e-5,
            synchronized=synchronized,
            name=f"{name}_bn",
        )(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    def convolve(x, name, channels=channels, kernel=1, dilation=1):
        if kernel > 1 and separable:
            x = layers.DepthwiseConv2D(
                kernel,
                padding="same",
                dilation_rate=dilation,
                use_bias=False,
                name=f"{name}_depthwise",
            )(x)
            x = normalize(x, f"{name}_depthwise")
            kernel = dilation = 1
        x = layers.Conv2D(
            channels,
            kernel,
            padding="same",
            dilation_rate=dilation,
            use_bias=False,
            name=name,
        )(x)
        return normalize(x, name)

    images = keras.Input(input_shape, name="images")
    low_level, stage_3, high_level = encoder(images)
    if complementary_dropout:
        layer = ComplementaryDropout(name="complementary_dropout")
        low_level, high_level = layer([low_level, high_level])

    pooled = layers.GlobalAveragePooling2D(keepdims=True)(high_level)
    pooled = convolve(pooled, "aspp_pool")
    branches = [convolve(high_level, "aspp_1x1")]
    for rate in (6, 12, 18):
        rate = rate * 16 // output_stride
        branches.append(convolve(high_level, f"aspp_{rate}", kernel=3, dilation=rate))
    branches.append(ResizeLike(name="aspp_pool_resize")([pooled, high_level]))
    x = convolve(layers.Concatenate(name="aspp_concat")(branches), "aspp_project")

    x = ResizeLike(name="decoder_resize")([x, low_level])
    low_level = convolve(low_level, "decoder_low_level", channels=48)
    x = layers.Concatenate(name="decoder_concat")([x, low_level])
    x = convolve(x, "decoder_1", kernel=3)
    x = convolve(x, "decoder_2", kernel=3)
    x = layers.Conv2D(num_classes, 1, name="classifier")(x)
    outputs = ResizeLike(name="logits", dtype="float32")([x, images])

    if auxiliary_head:
        x = convolve(stage_3, "auxiliary_1", kernel=3)
        x = layers.Conv2D(num_classes, 1, name="auxiliary_classifier")(x)
        x = layers.Activation("linear", dtype="float32", name="auxiliary")(x)
        outputs = {"logits": outputs, "auxiliary": x}
    return keras.Model(images, outputs, name="deeplab_v3_plus")
