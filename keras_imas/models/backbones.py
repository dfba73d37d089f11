"""Encoders: ImageNet networks, dilated for segmentation."""

import os
import re
from collections.abc import Sequence

import keras
from keras import layers, ops

from keras_imas import imagenet
from keras_imas.files.user_path import user_path
from keras_imas.models.deep_stem_resnet import deep_stem_resnet, load_torch_checkpoint
from keras_imas.models.dilation import dilate
from keras_imas.models.download import told_if_unreachable
from keras_imas.typing import InputShape, StrPath


def _from_minus_one_to_one(images):
    return layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(images)


def _standardized(images):
    mean = [255 * x for x in imagenet.MEAN]
    variance = [(255 * x) ** 2 for x in imagenet.STANDARD_DEVIATION]
    return layers.Normalization(mean=mean, variance=variance, name="scale")(images)


def _caffe(images):
    mean = [123.68, 116.779, 103.939]
    images = layers.Normalization(mean=mean, variance=[1.0] * 3, name="scale")(images)
    return ops.flip(images, axis=-1)  # to BGR


_INSIDE = None  # the network scales its input by itself

# Each encoder: who builds it, how images are scaled, and three names of layers, where
# the last layer that matches counts: the low-level features at stride 4, those of stage
# 3 (stride 16 in the undilated network), and the last ones.
_RESNET = (r"conv2_block\d+_out", r"conv4_block\d+_out", r"conv5_block\d+_out")
# Here a stage ends with the activation before its last block, which is the strided one.
_RESNET_V2 = (
    r"conv2_block\d+_preact_relu",
    r"conv4_block\d+_preact_relu",
    "post_relu",
)
_EFFICIENTNET_V2 = (r"block2._add", r"block5._add", r"block6._add")
_BACKBONES = {
    "resnet50": ("ResNet50", _caffe, _RESNET),
    "resnet101": ("ResNet101", _caffe, _RESNET),
    "resnet50_v2": ("ResNet50V2", _from_minus_one_to_one, _RESNET_V2),
    "resnet101_v2": ("ResNet101V2", _from_minus_one_to_one, _RESNET_V2),
    "resnet50_deep_stem": (50, _standardized, _RESNET),
    "resnet101_deep_stem": (101, _standardized, _RESNET),
    "mobilenet_v2": (
        "MobileNetV2",
        _from_minus_one_to_one,
        ("block_2_add", "block_12_add", "block_16_project_BN"),
    ),
    "mobilenet_v3_large": (
        "MobileNetV3Large",
        _INSIDE,
        ("expanded_conv_2_add", "expanded_conv_11_add", "expanded_conv_14_add"),
    ),
    "efficientnet_v2_b0": ("EfficientNetV2B0", _INSIDE, _EFFICIENTNET_V2),
    "efficientnet_v2_b1": ("EfficientNetV2B1", _INSIDE, _EFFICIENTNET_V2),
    "efficientnet_v2_b2": ("EfficientNetV2B2", _INSIDE, _EFFICIENTNET_V2),
    "efficientnet_v2_b3": ("EfficientNetV2B3", _INSIDE, _EFFICIENTNET_V2),
    "efficientnet_v2_s": ("EfficientNetV2S", _INSIDE, _EFFICIENTNET_V2),
    "convnext_tiny": (
        "ConvNeXtTiny",
        _INSIDE,
        (
            "convnext_tiny_downsampling_layernorm_0",
            "convnext_tiny_downsampling_layernorm_2",
            r"layer_normalization.*",
        ),
    ),
}
BACKBONES = tuple(_BACKBONES)


def dilated_backbone(
    name: str,
    *,
    output_stride: int = 16,
    multi_grid: Sequence[int] | None = None,
    weights: StrPath | None = "imagenet",
    synchronized: bool = False,
    input_shape: InputShape = (None, None, 3),
) -> keras.Model:
    """Build an encoder whose last stages are dilated instead of strided.

    The weights' shapes are those of `keras.applications`, so its ImageNet weights load.
    See `keras_imas.models.dilation.dilate` for the padding.

    Args:
        name: One of `BACKBONES`. `"resnet50_deep_stem"` and `"resnet101_deep_stem"` are
            the paper's.
        output_stride: Pixels of the image per pixel of the features: 32, 16 or 8.
            Defaults to `16`.
        multi_grid: Three factors, for the dilations of the three blocks of a ResNet's
            last stage: `(1, 2, 4)` makes them 2, 4, 8 at output stride 16. Defaults to
            `None`: the dilation of each is what keeps the pixels that it sees.
        weights: `"imagenet"` (a download at first use), the path of a weights file of
            the undilated model without top, or `None` for random weights. The deep-stem
            ResNets take a PyTorch checkpoint (`.pth`) or a file of `save_weights`.
            Defaults to `"imagenet"`.
        synchronized: Whether batch normalization takes its statistics over all
            replicas; on TensorFlow alone (on JAX it does anyway). Defaults to `False`.
        input_shape: `(height, width, 3)`; `None` for any height or width. Defaults to
            `(None, None, 3)`.

    Returns:
        `keras.Model` from images 0..255 to `[low_level, stage_3, high_level]` features,
        at stride 4, at 16 or `output_stride`, and at `output_stride`.

    Raises:
        ValueError: If an argument is not one of the above.

    Example:
        >>> encoder = dilated_backbone("mobilenet_v2", weights=None)
        >>> [tuple(x.shape) for x in encoder(keras.ops.zeros((1, 33, 65, 3)))]
        [(1, 9, 17, 24), (1, 3, 5, 96), (1, 3, 5, 320)]
    """
    if weights not in (None, "imagenet"):
        weights = user_path(weights)
    _check(name, output_stride, multi_grid, weights)
    build, scale, features = _BACKBONES[name]
    network = _trunk(name, build, weights, input_shape)
    grid = {}
    if multi_grid is not None:
        dilation = 32 // output_stride
        for block, factor in enumerate(multi_grid, start=1):
            grid[f"conv5_block{block}_2_conv"] = dilation * factor
    trunk = dilate(network, output_stride, multi_grid=grid, synchronized=synchronized)
    names = [layer.name for layer in trunk.layers]
    last = [[n for n in names if re.fullmatch(wanted, n)][-1] for wanted in features]
    trunk = keras.Model(trunk.inputs, [trunk.get_layer(n).output for n in last])
    images = keras.Input(input_shape, name="images")
    return keras.Model(images, trunk(scale(images) if scale else images), name=name)


def _trunk(name, build, weights, input_shape):
    """Build the undilated network and load its weights."""
    if isinstance(build, int):
        network = deep_stem_resnet(build, input_shape=input_shape)
        if weights is not None and str(weights).endswith((".pth", ".pt")):
            load_torch_checkpoint(network, weights)
            return network
    else:
        with told_if_unreachable(f"The ImageNet weights of {name!r}"):
            network = getattr(keras.applications, build)(
                input_shape=input_shape,
                include_top=False,
                weights="imagenet" if weights == "imagenet" else None,
            )
    if weights not in (None, "imagenet"):
        try:
            network.load_weights(weights)
        except Exception as error:  # of whatever kind Keras and h5py raise
            raise ValueError(
                f"{str(weights)!r} can't be read as weights of {name!r}: {error}"
            ) from error
    return network


def _check(name, output_stride, multi_grid, weights):
    if name not in BACKBONES:
        raise ValueError(
            f"`backbone` must be one of {', '.join(BACKBONES)}. Received: {name!r}"
        )
    if output_stride not in (8, 16, 32):
        raise ValueError(
            "`output_stride` must be 8, 16 or 32. Received: "
            f"output_stride={output_stride!r}"
        )
    if multi_grid is not None:
        if "resnet" not in name:
            raise ValueError(
                f"`multi_grid` is for ResNets. Received: multi_grid={multi_grid!r} "
                f"with {name!r}"
            )
        if len(multi_grid) != 3 or min(multi_grid) < 1:
            raise ValueError(
                "`multi_grid` must be three positive factors. Received: "
                f"multi_grid={multi_grid!r}"
            )
    if weights == "imagenet" and "deep_stem" in name:
        raise ValueError(
            f"{name!r} has no ImageNet weights to download. Pass `weights`, the path of"
            " a PyTorch checkpoint of a deep-stem ResNet, or None; or take `backbone` "
            f"{name.split('_')[0]!r}. Received: weights={weights!r}"
        )
    if weights not in (None, "imagenet") and not os.path.isfile(weights):
        raise ValueError(
            '`weights` must be "imagenet", None or the path of a weights file. '
            f"Received: weights={weights!r}, which is no file"
        )
