"""DINOv2 and DINOv3: the architectures, and where their public weights are."""

from typing import Any

import keras

from keras_imas.models.dino_checkpoint import checkpoint_file, load_dino_checkpoint
from keras_imas.models.download import told_if_unreachable
from keras_imas.models.vision_transformer import vision_transformer
from keras_imas.typing import InputShape, StrPath

_SIZES: dict[str, dict[str, Any]] = {
    "small": {"width": 384, "depth": 12, "heads": 6},
    "base": {"width": 768, "depth": 12, "heads": 12},
    "large": {"width": 1024, "depth": 24, "heads": 16, "features": (4, 11, 17, 23)},
    "giant": {"width": 1536, "depth": 40, "heads": 24, "gated": 4096},
}
_REGISTERS = {"registers": 4, "antialias": True}
_DINOV3 = {"patch_size": 16, "registers": 4, "rotary": True, "epsilon": 1e-5}
_ENCODERS = (
    {f"dinov2_{size}": options for size, options in _SIZES.items()}
    | {
        f"dinov2_with_registers_{size}": options | _REGISTERS
        for size, options in _SIZES.items()
    }
    | {
        f"dinov3_vit_{size}": _SIZES[size] | _DINOV3
        for size in ("small", "base", "large")
    }
)
DINO_ENCODERS = tuple(_ENCODERS)
_URL = "https://huggingface.co/facebook/{}/resolve/main/model.safetensors"


def dino_encoder(
    name: str,
    *,
    weights: StrPath | None = "pretrained",
    input_shape: InputShape = (None, None, 3),
) -> keras.Model:
    """Build a DINOv2 or DINOv3 vision transformer (Oquab et al., Siméoni et al.).

    Args:
        name: One of `DINO_ENCODERS`.
        weights: `"pretrained"` (DINOv2's from Hugging Face, a download at first use),
            the path of a checkpoint, see `load_dino_checkpoint`, or of a directory with
            `model.safetensors`; or `None` for random weights. DINOv3's are given to
            those who accept their license, so that they are no download here. Defaults
            to `"pretrained"`.
        input_shape: `(height, width, 3)`; `None` for any height or width. Defaults to
            `(None, None, 3)`.

    Returns:
        `keras.Model` from images 0..255 to four feature maps of one pixel a patch, see
        `keras_imas.models.vision_transformer`.

    Raises:
        ValueError: If `name` is none of them, or `weights` are none of its.
        ConnectionError: If they can't be downloaded.

    Example:
        >>> encoder = dino_encoder("dinov2_small", weights=None)
        >>> encoder.count_params()
        22056192
    """
    if name not in _ENCODERS:
        raise ValueError(
            f"`backbone` must be one of {', '.join(DINO_ENCODERS)}. Received: {name!r}"
        )
    if weights == "pretrained":
        weights = _download(name)
    if weights is not None:
        checkpoint_file(weights)  # before the network is built, which takes a while
    encoder = vision_transformer(**_ENCODERS[name], input_shape=input_shape, name=name)
    if weights is not None:
        load_dino_checkpoint(encoder, weights)
    return encoder


def _download(name):
    """Return the path of the public checkpoint."""
    if name.startswith("dinov3"):
        raise ValueError(
            f"The weights of {name!r} are given to those who accept their license, at "
            "https://huggingface.co/facebook: download `model.safetensors` there and "
            "pass its path as `weights`; or take a `dinov2_...` encoder"
        )
    with told_if_unreachable(f"The weights of {name!r}"):
        return keras.utils.get_file(
            f"{name}.safetensors",
            _URL.format(name.replace("_", "-")),
            cache_subdir="models",
        )
