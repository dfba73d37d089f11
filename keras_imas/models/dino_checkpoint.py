"""Public checkpoints of DINOv2 and DINOv3, loaded into a vision transformer."""

import json
import os
import re

import keras
import numpy as np
from keras import layers

from keras_imas.files.user_path import user_path
from keras_imas.models.checkpoint_tensors import read_tensors
from keras_imas.typing import StrPath

# Our layers, and what they are called by Hugging Face's DINOv2 and DINOv3 and by the
# original programs; "@" stands for a block. A tensor of several layers holds them one
# after the other.
_NAMES = {
    "tokens class_token": ("embeddings.cls_token", "cls_token"),
    "tokens register_tokens": (
        "embeddings.register_tokens",
        "register_tokens",
        "storage_tokens",
    ),
    "tokens positions": ("embeddings.position_embeddings", "pos_embed"),
    "patch_embedding": (
        "embeddings.patch_embeddings.projection",
        "embeddings.patch_embeddings",
        "patch_embed.proj",
    ),
    "@norm_1": ("@norm1",),
    "@query": ("@attention.attention.query", "@attention.q_proj"),
    "@key": ("@attention.attention.key", "@attention.k_proj"),
    "@value": ("@attention.attention.value", "@attention.v_proj"),
    "@query+@key+@value": ("@attn.qkv",),
    "@projection": ("@attention.output.dense", "@attention.o_proj", "@attn.proj"),
    "@scale_1 gamma": ("@layer_scale1.lambda1", "@ls1.gamma"),
    "@norm_2": ("@norm2",),
    "@gate": ("@mlp.gate_proj",),
    "@expand": ("@mlp.fc1", "@mlp.up_proj"),
    "@gate+@expand": ("@mlp.weights_in", "@mlp.w12"),
    "@contract": ("@mlp.fc2", "@mlp.down_proj", "@mlp.weights_out", "@mlp.w3"),
    "@scale_2 gamma": ("@layer_scale2.lambda1", "@ls2.gamma"),
    "norm": ("layernorm", "norm"),
}
_OURS = {theirs: ours for ours, names in _NAMES.items() for theirs in names}
_BLOCK = re.compile(r"(?:blocks|(?:encoder\.|model\.)?layer)\.(\d+)\.")
_UNUSED = re.compile(r"(embeddings\.)?mask_token|rope_embed\.periods|.*\.bias_mask")
_KINDS = {"kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias"}


def load_dino_checkpoint(encoder: keras.Model, path: StrPath) -> list[str]:
    """Load a public checkpoint of DINOv2 or DINOv3.

    Hugging Face's layout is read and that of the original programs, from a safetensors
    file, for which no PyTorch is needed, or from a PyTorch checkpoint. No features
    depend on the mask token (of pre-training) and on stored constants: they are left
    out.

    Args:
        encoder: `keras.Model`, as `keras_imas.models.vision_transformer` returns.
        path: A `.safetensors` file, a PyTorch checkpoint (`.pth`), or a directory with
            `model.safetensors` and perhaps `config.json`.

    Returns:
        List of the names of the tensors that are left out.

    Raises:
        ValueError: If the checkpoint lacks a tensor, or holds one of another shape or
            one that is not known; file, name and shapes are given. Nothing is loaded
            then.

    Example:
        >>> import tempfile
        >>> from safetensors.numpy import save_file
        >>> from keras_imas.models import vision_transformer
        >>> encoder = vision_transformer(width=8, depth=4, heads=2)
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = f"{directory}/model.safetensors"
        ...     save_file({"cls_token": np.ones((1, 1, 8), "float32")}, path)
        ...     load_dino_checkpoint(encoder, path)
        Traceback (most recent call last):
        ...
        ValueError: ...
    """
    if os.path.isdir(user_path(path)):
        _check_config(encoder, os.path.join(user_path(path), "config.json"))
    path = checkpoint_file(path)
    tensors = read_tensors(path)
    unused = [name for name in tensors if _UNUSED.fullmatch(name)]
    variables = _variables(encoder)
    values = {}
    for name, tensor in tensors.items():
        if name in unused:
            continue
        places = _places(name)
        shapes = [variables[place][1] for place in places if place in variables]
        if not shapes:
            raise ValueError(
                f"The checkpoint {path!r} is of another network: it holds {name!r}, "
                f"which {encoder.name} does not have"
            )
        shape = (len(places) * shapes[0][0], *shapes[0][1:])
        if tensor.shape != shape:
            raise ValueError(
                f"The tensor {name!r} of {path!r} must be of shape {shape} for "
                f"{encoder.name}. Received: {tensor.shape}"
            )
        values |= zip(places, np.split(tensor, len(places)), strict=True)
    for place in variables:
        if place not in values:
            raise ValueError(
                f"The checkpoint {path!r} has no tensor {_theirs(place, tensors)}, "
                f"which {encoder.name} needs"
            )
    for place, (variable, _) in variables.items():
        variable.assign(_in_our_order(values[place], variable.shape))
    return unused


def checkpoint_file(path: StrPath) -> StrPath:
    """Return the file of a checkpoint.

    Args:
        path: A file, or a directory with `model.safetensors`.

    Returns:
        A string.

    Raises:
        ValueError: If there is none.

    Example:
        >>> checkpoint_file("missing.safetensors")
        Traceback (most recent call last):
        ...
        ValueError: ...
    """
    path = user_path(path)
    if os.path.isdir(path):
        path = os.path.join(path, "model.safetensors")
    if not os.path.isfile(path):
        raise ValueError(
            '`weights` must be "pretrained", None, the path of a checkpoint, or of a '
            f"directory with `model.safetensors`. Received: {path!r}, which is no file"
        )
    return path


def _check_config(encoder, path):
    """Refuse a directory of another architecture, also where tensors would fit."""
    if not os.path.isfile(path):
        return
    try:
        with open(path, encoding="utf-8") as file:
            config = dict(json.load(file))
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"{path!r} can't be read as JSON: {error}") from error
    attentions = [x for x in encoder.layers if x.name.endswith("_attention")]
    expected = {
        "hidden_size": encoder.output_shape[0][-1],
        "num_hidden_layers": len(attentions),
        "num_attention_heads": attentions[0].heads,
        "patch_size": encoder.get_layer("patches").size,
        "num_register_tokens": encoder.get_layer("tokens").registers,
    }
    for name, value in expected.items():
        if config.get(name, value) != value:
            raise ValueError(
                f"{path!r} is of another network: {name!r} must be {value} for "
                f"{encoder.name}. Received: {config[name]!r}"
            )


def _variables(encoder):
    """Return each variable by its place, with its shape in a checkpoint."""
    patch = encoder.get_layer("patches").size
    variables = {}
    for layer in encoder.layers:
        if isinstance(layer, layers.Normalization):
            continue  # what scales the images
        for variable in layer.weights:
            kind, shape = variable.name, tuple(variable.shape)
            if isinstance(layer, layers.Dense | layers.LayerNormalization):
                kind, shape = _KINDS[kind], shape[::-1]  # (out, in)
            if layer.name == "patch_embedding" and kind == "weight":
                shape = (shape[0], 3, patch, patch)
            variables[f"{layer.name} {kind}"] = variable, shape
    return variables


def _in_our_order(value, shape):
    if value.ndim == 4:  # from (out, in, height, width)
        value = value.transpose(2, 3, 1, 0)
    elif value.ndim == 2:
        value = value.T
    return value.reshape(shape)


def _places(name):
    """Return the places of a tensor, by its name in a checkpoint."""
    block = _BLOCK.match(name)
    if block:
        name = f"@{name[block.end() :]}"
    stem, _, kind = name.rpartition(".")
    ours = _OURS.get(name) or (_OURS.get(stem) and f"{_OURS[stem]} {kind}")
    if not ours:
        return []
    if block:
        ours = ours.replace("@", f"block_{block[1]}_")
    parts, kind = ours.split(" ")
    return [f"{part} {kind}" for part in parts.split("+")]


def _theirs(place, tensors):
    """Return what a place may be called in a checkpoint, for an error."""
    blocks = [block[0] for block in map(_BLOCK.match, tensors) if block]
    start = re.sub(r"\d+\.$", "", blocks[0]) if blocks else "blocks."
    layer, kind = place.split(" ")
    block = re.match(r"block_(\d+)_", layer)
    if block:
        layer = f"@{layer[block.end() :]}"
        start += f"{block[1]}."
    names = []
    for ours, theirs in _NAMES.items():
        if ours == f"{layer} {kind}":
            names += theirs
        elif layer in ours.split("+"):
            names += [f"{name}.{kind}" for name in theirs]
    return " or ".join(repr(name.replace("@", start)) for name in names)
