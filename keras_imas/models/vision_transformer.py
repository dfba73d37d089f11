"""Vision transformers, as DINOv2 and DINOv3 have them."""

from collections.abc import Sequence

import keras
from keras import layers, ops

from keras_imas import imagenet
from keras_imas.models.positions import RotaryPositions, Tokens
from keras_imas.models.resize import resize_bilinear
from keras_imas.typing import InputShape


def vision_transformer(
    *,
    width: int,
    depth: int,
    heads: int,
    patch_size: int = 14,
    grid: int = 37,
    registers: int = 0,
    antialias: bool = False,
    rotary: bool = False,
    gated: int = 0,
    epsilon: float = 1e-6,
    features: Sequence[int] | None = None,
    input_shape: InputShape = (None, None, 3),
    name: str = "vision_transformer",
) -> keras.Model:
    """Build a vision transformer that returns the features of four of its blocks.

    Blocks are pre-norm, with LayerScale. Sides of images that are no multiple of the
    patch are resized to the nearest one, bilinearly with aligned corners, as UniMatch
    V2 evaluates. There is no dropout and no stochastic depth: training and inference
    compute the same.

    Args:
        width: Channels of a token.
        depth: Number of blocks.
        heads: Heads of the attention, which divide `width`.
        patch_size: Side of a patch in pixels. Defaults to `14`.
        grid: Side of the square of learned positions, in patches; no matter with
            `rotary`. Defaults to `37`, that of DINOv2: images of 518².
        registers: Number of register tokens. Defaults to `0`.
        antialias: Whether positions are resized with antialiasing, as for DINOv2 with
            registers. Defaults to `False`.
        rotary: Whether positions turn queries and keys, as in DINOv3, instead of being
            learned; the keys have no bias then. Defaults to `False`.
        gated: Channels within a SwiGLU feed-forward part, as DINOv2 Giant has it.
            Defaults to `0`: it is a plain one, with GELU and 4 times the width.
        epsilon: Of the layer normalization. Defaults to `1e-6`.
        features: Four numbers of blocks, from 0. Defaults to `None`: the last ones of
            the four quarters; with 12 blocks 2, 5, 8, 11.
        input_shape: `(height, width, 3)`; `None` for any height or width. Defaults to
            `(None, None, 3)`.
        name: Name of the model. Defaults to `"vision_transformer"`.

    Returns:
        `keras.Model` from images 0..255 to four maps `(B, h, w, width)`, each after the
        final normalization, of one pixel a patch.

    Raises:
        ValueError: If `heads` does not divide `width`.

    Example:
        >>> encoder = vision_transformer(width=32, depth=4, heads=2, patch_size=8)
        >>> [tuple(x.shape) for x in encoder(ops.zeros((1, 33, 65, 3)))]
        [(1, 4, 8, 32), (1, 4, 8, 32), (1, 4, 8, 32), (1, 4, 8, 32)]
    """
    if width % heads or (rotary and width // heads % 4):
        rule = "`heads` times a multiple of 4" if rotary else "a multiple of `heads`"
        raise ValueError(
            f"`width` must be {rule}. Received: width={width}, heads={heads}"
        )
    features = features or [depth * quarter // 4 - 1 for quarter in (1, 2, 3, 4)]

    def dense(x, units, name, **options):
        return layers.Dense(
            units, kernel_initializer=_initializer(), name=name, **options
        )(x)

    def normalize(name):
        return layers.LayerNormalization(epsilon=epsilon, name=name)

    def attend(x, name):
        keys = {"use_bias": not rotary}
        x = [
            dense(x, width, f"{name}_query"),
            dense(x, width, f"{name}_key", **keys),
            dense(x, width, f"{name}_value"),
        ]
        x = SelfAttention(heads, name=f"{name}_attention")([*x, *angles])
        return dense(x, width, f"{name}_projection")

    def feed_forward(x, name):
        if gated:
            gate = dense(x, gated, f"{name}_gate", activation="silu")
            x = dense(x, gated, f"{name}_expand")
            x = layers.Multiply(name=f"{name}_gated")([gate, x])
        else:
            x = dense(x, 4 * width, f"{name}_expand", activation="gelu")
        return dense(x, width, f"{name}_contract")

    images = keras.Input(input_shape, name="images")
    scaled = layers.Normalization(
        mean=[255 * x for x in imagenet.MEAN],
        variance=[(255 * x) ** 2 for x in imagenet.STANDARD_DEVIATION],
        name="scale",
    )(images)
    patches = Patches(patch_size, name="patches")(scaled)
    patches = dense(patches, width, "patch_embedding")
    tokens = Tokens(registers, None if rotary else grid, antialias, name="tokens")
    x = tokens(patches)
    angles = []
    if rotary:
        rotary = RotaryPositions(width // heads, first=1 + registers, name="positions")
        angles.append(rotary(patches))
    final = normalize("norm")
    outputs = []
    for block in range(depth):
        part = f"block_{block}"
        y = attend(normalize(f"{part}_norm_1")(x), part)
        y = LayerScale(name=f"{part}_scale_1")(y)
        x = layers.Add(name=f"{part}_add_1")([x, y])
        y = feed_forward(normalize(f"{part}_norm_2")(x), part)
        y = LayerScale(name=f"{part}_scale_2")(y)
        x = layers.Add(name=f"{part}_add_2")([x, y])
        if block in features:
            unfold = PatchMap(name=f"features_{block}")
            outputs.append(unfold([final(x), patches]))
    return keras.Model(images, outputs, name=name)


def _initializer():
    return keras.initializers.TruncatedNormal(stddev=0.02)


@keras.saving.register_keras_serializable(package="keras_imas")
class Patches(layers.Layer):
    """Cut images into patches, after resizing sides that are no multiple of them.

    The new side is the nearest multiple, of two as near the larger one, and one patch
    at least.

    Args:
        size: Side of a patch in pixels.
        **kwargs: See `keras.layers.Layer`.

    Example:
        >>> tuple(Patches(14)(ops.zeros((1, 28, 50, 3))).shape)
        (1, 2, 4, 588)
    """

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, images):
        """Return the patches.

        Args:
            images: Tensor `(B, H, W, channels)`.

        Returns:
            Tensor `(B, h, w, size * size * channels)`, a patch's pixels row by row.
        """
        size = self.size
        _, height, width, channels = ops.shape(images)
        rows, columns = self._count(height), self._count(width)
        if any(side is None or side % size for side in images.shape[1:3]):
            images = resize_bilinear(images, rows * size, columns * size)
        images = ops.reshape(images, (-1, rows, size, columns, size, channels))
        images = ops.transpose(images, (0, 1, 3, 2, 4, 5))
        return ops.reshape(images, (-1, rows, columns, size**2 * channels))

    def _count(self, side):
        count = (side + self.size // 2) // self.size
        return max(count, 1) if isinstance(count, int) else ops.maximum(count, 1)

    def compute_output_shape(self, input_shape):
        """Return `(B, h, w, size * size * channels)`."""
        batch_size, *sides, channels = input_shape
        sides = [None if side is None else self._count(side) for side in sides]
        return (batch_size, *sides, self.size**2 * channels)

    def get_config(self):
        """Return the arguments of the constructor."""
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(package="keras_imas")
class SelfAttention(layers.Layer):
    """Let each token attend to all, by `keras.ops.dot_product_attention`.

    That is flash attention where the backend has it.

    Args:
        heads: Number of heads.
        **kwargs: See `keras.layers.Layer`.

    Example:
        >>> tokens = ops.zeros((1, 7, 32))
        >>> tuple(SelfAttention(2)([tokens, tokens, tokens]).shape)
        (1, 7, 32)
    """

    def __init__(self, heads, **kwargs):
        super().__init__(**kwargs)
        self.heads = heads

    def call(self, inputs):
        """Return the values that each token attends to.

        Args:
            inputs: List of queries, keys and values `(B, tokens, channels)`; with
                rotary positions these too, `(2, tokens, 1, channels / heads / 2)`.

        Returns:
            Tensor `(B, tokens, channels)`.
        """
        _, count, width = ops.shape(inputs[0])
        shape = (-1, count, self.heads, width // self.heads)
        query, key, value = (ops.reshape(x, shape) for x in inputs[:3])
        for angles in inputs[3:]:
            query, key = _turn(query, angles), _turn(key, angles)
        x = ops.dot_product_attention(query, key, value)
        return ops.reshape(x, (-1, count, width))

    def compute_output_shape(self, input_shape):
        """Return `(B, tokens, channels)`."""
        return tuple(input_shape[0])

    def get_config(self):
        """Return the arguments of the constructor."""
        return {**super().get_config(), "heads": self.heads}


def _turn(x, angles):
    """Turn pairs of channels, one of the first half and one of the second."""
    cosine, sine = angles[0], angles[1]
    first, second = ops.split(x, 2, axis=-1)
    turned = [first * cosine - second * sine, second * cosine + first * sine]
    return ops.concatenate(turned, axis=-1)


@keras.saving.register_keras_serializable(package="keras_imas")
class LayerScale(layers.Layer):
    """Multiply each channel by a weight (Touvron et al., ICCV 2021).

    Example:
        >>> tuple(LayerScale()(ops.zeros((1, 7, 32))).shape)
        (1, 7, 32)
    """

    def build(self, input_shape):
        """Make the weight.

        Args:
            input_shape: `(..., channels)`.
        """
        self.gamma = self.add_weight(
            name="gamma", shape=input_shape[-1:], initializer="ones"
        )

    def call(self, inputs):
        """Return the products.

        Args:
            inputs: Tensor `(..., channels)`.

        Returns:
            Tensor of the same shape.
        """
        return inputs * self.gamma

    def compute_output_shape(self, input_shape):
        """Return the shape of the inputs."""
        return input_shape


@keras.saving.register_keras_serializable(package="keras_imas")
class PatchMap(layers.Layer):
    """Leave out the tokens before those of the patches, and lay these out as a map.

    Example:
        >>> tuple(PatchMap()([ops.zeros((1, 7, 32)), ops.zeros((1, 2, 3, 8))]).shape)
        (1, 2, 3, 32)
    """

    def call(self, inputs):
        """Return the map.

        Args:
            inputs: `[tokens, patches]`, tensors `(B, n + h * w, channels)` and
                `(B, h, w, any)`.

        Returns:
            Tensor `(B, h, w, channels)`.
        """
        tokens, patches = inputs
        _, count, channels = ops.shape(tokens)
        height, width = ops.shape(patches)[1:3]
        tokens = tokens[:, count - height * width :]
        return ops.reshape(tokens, (-1, height, width, channels))

    def compute_output_shape(self, input_shape):
        """Return `(B, h, w, channels)`."""
        tokens, patches = input_shape
        return (*patches[:3], tokens[-1])
