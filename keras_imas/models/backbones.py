"""Encoders: ImageNet networks of `keras.applications`, dilated for segmentation."""

import os

import keras
from keras import layers

BATCH_NORM_MOMENTUM = 0.9
"""Keras' sense; hardness and pseudo labels run on moving statistics, which at the 0.99
or 0.999 of `keras.applications` lag far behind a training run."""

BACKBONES = ("mobilenet_v2",)


def dilated_backbone(
    name, *, output_stride=16, weights="imagenet", input_shape=(None, None, 3)
):
    """Build an encoder whose last stages are dilated instead of strided.

    The weights' shapes are those of `keras.applications`, so its ImageNet weights load.
    Strided convolutions pad one pixel on each side whatever the size (as Keras does at
    odd sizes): feature i lies over pixel `stride * i`, as the decoder's resizing with
    aligned corners has it.

    Args:
        name: `"mobilenet_v2"`.
        output_stride: Pixels of the image per pixel of the features: 32, 16 or 8.
            Defaults to `16`.
        weights: `"imagenet"` (a download), the path of a weights file of the
            `keras.applications` model without top, or `None` for random weights.
            Defaults to `"imagenet"`.
        input_shape: `(height, width, 3)`; `None` for any height or width. Defaults to
            `(None, None, 3)`.

    Returns:
        `keras.Model` from images 0..255 to `[low_level, high_level]` features, at
        stride 4 and `output_stride`.

    Raises:
        ValueError: If `name`, `output_stride` or `weights` is not one of the above.

    Example:
        >>> encoder = dilated_backbone("mobilenet_v2", weights=None)
        >>> [tuple(x.shape) for x in encoder(keras.ops.zeros((1, 33, 65, 3)))]
        [(1, 9, 17, 24), (1, 3, 5, 320)]
    """
    if name not in BACKBONES:
        raise ValueError(
            f"`backbone` must be one of {', '.join(BACKBONES)}. Received: {name!r}"
        )
    if output_stride not in (8, 16, 32):
        raise ValueError(
            "`output_stride` must be 8, 16 or 32. Received: "
            f"output_stride={output_stride!r}"
        )
    if weights not in (None, "imagenet") and not os.path.isfile(weights):
        raise ValueError(
            '`weights` must be "imagenet", None or the path of a weights file. '
            f"Received: weights={weights!r}, which is no file"
        )
    network = keras.applications.MobileNetV2(
        input_shape=input_shape,
        include_top=False,
        weights="imagenet" if weights == "imagenet" else None,
    )
    if weights not in (None, "imagenet"):
        network.load_weights(weights)
    dilated = _dilate_mobilenet_v2(network, output_stride)
    dilated.set_weights(network.get_weights())
    images = keras.Input(input_shape, name="images")
    features = keras.Model(
        dilated.inputs,
        [
            dilated.get_layer("block_2_add").output,
            dilated.get_layer("block_16_project_BN").output,
        ],
    )
    scaled = layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(images)
    return keras.Model(images, features(scaled), name=name)


def _dilate_mobilenet_v2(network, output_stride):
    """Clone the network with dilation for stride beyond `output_stride`."""
    # The blocks that halve the resolution from 8 to 16 and from 16 to 32.
    dilation_from = {32: {}, 16: {13: 2}, 8: {6: 2, 13: 4}}[output_stride]

    def clone(layer):
        config = layer.get_config()
        if isinstance(layer, layers.BatchNormalization):
            config["momentum"] = BATCH_NORM_MOMENTUM
        elif isinstance(layer, layers.ZeroPadding2D):
            kept = _block(layer) not in dilation_from
            config["padding"] = ((1, 1), (1, 1)) if kept else ((0, 0), (0, 0))
        elif isinstance(layer, layers.DepthwiseConv2D):
            block = _block(layer)
            reached = [start for start in dilation_from if start <= block]
            if reached:
                # The block that would halve still sees the previous resolution.
                dilation = dilation_from[max(reached)]
                if block in dilation_from:
                    dilation //= 2
                config.update(strides=1, padding="same", dilation_rate=dilation)
        elif layer.name == "Conv1":
            config["padding"] = "valid"
        return layer.__class__.from_config(config)

    def call(layer, *args, **kwargs):
        if layer.name == "Conv1":
            args = (layers.ZeroPadding2D(1, name="Conv1_pad")(args[0]), *args[1:])
        return layer(*args, **kwargs)

    return keras.models.clone_model(network, clone_function=clone, call_function=call)


def _block(layer):
    """Return the number of the inverted residual block that a layer belongs to."""
    if layer.name.startswith("block_"):
        return int(layer.name.split("_")[1])
    return 0
