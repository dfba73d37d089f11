"""DPT (Ranftl et al., ICCV 2021) over DINOv2 and DINOv3, as in UniMatch V2."""

from collections.abc import Sequence

import keras
from keras import layers

from keras_imas.models.complementary_dropout import ComplementaryDropout
from keras_imas.models.dino import dino_encoder
from keras_imas.models.resize import Enlarge, ResizeLike
from keras_imas.typing import InputShape, StrPath

# Of the four features after projection, and of the head, by the encoder's width; see
# `dpt` for others.
_CHANNELS = {1024: ((256, 512, 1024, 1024), 256), 1536: ((1536,) * 4, 384)}


def dpt(
    num_classes: int,
    *,
    backbone: str | keras.Model = "dinov2_small",
    weights: StrPath | None = "pretrained",
    frozen: bool = False,
    input_shape: InputShape = (None, None, 3),
    channels: Sequence[int] | None = None,
    width: int | None = None,
    complementary_dropout: bool = False,
) -> keras.Model:
    """Build a DPT from images 0..255 to logits at the images' resolution.

    A vision transformer and the head of UniMatch V2 (Yang et al., 2024): the features
    of four blocks, at 4, 2, 1 and ½ pixels a patch, are fused from the coarsest to the
    finest. There is no batch normalization. Any image size works: sides that are no
    multiple of the patch (14 pixels for DINOv2, 16 for DINOv3) are resized to the
    nearest one inside, and the logits come back at the image's size.

    Args:
        num_classes: Number of classes C.
        backbone: Name of the encoder, one of `keras_imas.models.DINO_ENCODERS`; or a
            model with four feature maps, as `keras_imas.models.vision_transformer`
            returns, for which `weights` doesn't matter. Defaults to `"dinov2_small"`.
        weights: Of the encoder: `"pretrained"` (a download at first use), the path of a
            checkpoint or of a directory with one, or `None` for random ones; see
            `keras_imas.models.dino_encoder`. Defaults to `"pretrained"`.
        frozen: Whether the encoder stays as it is, and the head alone is trained.
            Defaults to `False`.
        input_shape: `(height, width, 3)`; `None` for any height or width. Defaults to
            `(None, None, 3)`.
        channels: Four numbers, the channels of the features after projection, finest
            first. Defaults to `None`, as published: ⅛, ¼, ½ and 1 times those of the
            encoder (48, 96, 192, 384 for Small); 256, 512, 1024, 1024 for Large.
        width: Channels of the head. Defaults to `None`, as published: a sixth of those
            of the encoder (64 for Small, 128 for Base); 256 for Large.
        complementary_dropout: Whether to put a `ComplementaryDropout` between encoder
            and head, for the same argument of `keras_imas.IMAS`. Defaults to `False`.

    Returns:
        `keras.Model` from `(B, H, W, 3)` to logits `(B, H, W, C)`.

    Raises:
        ValueError: If an argument is not one of the above.

    Example:
        >>> from keras_imas.models import vision_transformer
        >>> encoder = vision_transformer(width=48, depth=4, heads=2)
        >>> network = dpt(5, backbone=encoder)
        >>> tuple(network(keras.ops.zeros((1, 30, 45, 3))).shape)
        (1, 30, 45, 5)
    """
    if num_classes < 1:
        raise ValueError(
            f"`num_classes` must be positive. Received: num_classes={num_classes}"
        )
    if not isinstance(backbone, keras.Model):
        backbone = dino_encoder(backbone, weights=weights, input_shape=input_shape)
    if frozen:
        backbone.trainable = False
    images = keras.Input(backbone.input_shape[1:], name="images")
    features = backbone(images)
    if complementary_dropout:
        features = ComplementaryDropout(name="complementary_dropout")(features)
    published = _published(features[0].shape[-1])
    channels = channels or published[0]
    width = width or published[1]
    if len(features) != 4 or len(channels) != 4:
        raise ValueError(
            "`backbone` must return four feature maps, and `channels` hold four "
            f"numbers. Received: {len(features)} and channels={channels!r}"
        )

    def convolve(x, name, filters=width, kernel=3, **options):
        options = {"padding": "same", "name": f"decoder_{name}", **options}
        return layers.Conv2D(filters, kernel, **options)(x)

    def enlarge(x, name, factor):
        name = f"decoder_{name}"
        return layers.Conv2DTranspose(x.shape[-1], factor, factor, name=name)(x)

    def refine(x, name):
        y = layers.ReLU(name=f"decoder_{name}_relu_1")(x)
        y = convolve(y, f"{name}_conv_1")
        y = layers.ReLU(name=f"decoder_{name}_relu_2")(y)
        y = convolve(y, f"{name}_conv_2")
        return layers.Add(name=f"decoder_{name}_add")([x, y])

    def fuse(x, number):
        # Before it is enlarged, where it costs a quarter: the two commute.
        return convolve(refine(x, f"refine_{number}"), f"fuse_{number}", kernel=1)

    # At 4, 2, 1 and 1/2 pixels a patch.
    first, second, third, fourth = (
        convolve(x, f"project_{number}", filters, 1)
        for number, (x, filters) in enumerate(zip(features, channels, strict=True), 1)
    )
    first, second = enlarge(first, "enlarge_1", 4), enlarge(second, "enlarge_2", 2)
    fourth = layers.ZeroPadding2D(1, name="decoder_pad_4")(fourth)
    fourth = convolve(fourth, "reduce_4", channels[3], strides=2, padding="valid")
    maps = [
        convolve(x, f"level_{number}", use_bias=False)
        for number, x in enumerate((first, second, third, fourth), 1)
    ]
    x = fuse(maps[3], 4)
    for number in (3, 2, 1):
        finer = maps[number - 1]
        x = ResizeLike(name=f"decoder_resize_{number}")([x, finer])
        finer = refine(finer, f"refine_{number}_map")
        x = fuse(layers.Add(name=f"decoder_join_{number}")([x, finer]), number)
    x = Enlarge(2, name="decoder_resize")(x)
    x = layers.ReLU(name="decoder_relu")(convolve(x, "last"))
    x = layers.Conv2D(num_classes, 1, name="classifier")(x)
    logits = ResizeLike(name="logits", dtype="float32")([x, images])
    return keras.Model(images, logits, name="dpt")


def _published(width):
    """Return the channels and the width of the head over an encoder of that width."""
    plain = (width // 8, width // 4, width // 2, width), max(width // 6, 1)
    return _CHANNELS.get(width, plain)
