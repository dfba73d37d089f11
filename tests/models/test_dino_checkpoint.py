"""What is refused of a checkpoint, and what may vary."""

import json

import dino_reference as dino
import numpy as np
import pytest
from safetensors.torch import save_file
from tiers import full_on

from keras_imas.models import dpt
from keras_imas.models.dino_checkpoint import load_dino_checkpoint

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def model():
    return dino.reference("dinov2")


@pytest.fixture(scope="module")
def encoder():
    return dino.encoder("dinov2")


@full_on("tensorflow", "jax")
def test_precision_and_prefix_do_not_matter(model, encoder, tmp_path):
    tensors = {
        f"module.backbone.{name}": x.to(torch.bfloat16)
        for name, x in dino.original_layout(model).items()
    }
    torch.save({"state_dict": tensors}, tmp_path / "half.pth")
    save_file(tensors, tmp_path / "half.safetensors")
    for name in ("half.pth", "half.safetensors"):
        load_dino_checkpoint(encoder, tmp_path / name)
        token = encoder.get_layer("tokens").class_token.numpy()
        expected = model.embeddings.cls_token.detach().to(torch.bfloat16).float()
        np.testing.assert_array_equal(token, expected)


def changed(tensors, how):
    if how == "missing":
        del tensors["blocks.2.attn.qkv.weight"]
    elif how == "shape":
        tensors["blocks.1.mlp.fc2.bias"] = torch.zeros(7)
    elif how == "fused":
        tensors["blocks.1.attn.qkv.bias"] = torch.zeros(64)
    elif how == "patch":
        tensors["patch_embed.proj.weight"] = torch.zeros((32, 3, 16, 16))
    elif how == "grid":
        tensors["pos_embed"] = torch.zeros((1, 17, 32))
    elif how == "depth":
        tensors["blocks.4.norm1.weight"] = torch.zeros(32)
    elif how == "registers":
        tensors["register_tokens"] = torch.zeros((1, 4, 32))
    else:
        tensors["decoder.weight"] = torch.zeros(1)
    return tensors


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", "has no tensor .*'blocks.2.attn.qkv.weight'"),
        ("shape", r"'blocks.1.mlp.fc2.bias' of .*\(32,\).*Received: \(7,\)"),
        ("fused", r"'blocks.1.attn.qkv.bias' of .*\(96,\).*Received: \(64,\)"),
        ("patch", r"'patch_embed.proj.weight'.*\(32, 3, 14, 14\).*\(32, 3, 16, 16\)"),
        ("grid", r"'pos_embed' of .*\(1, 26, 32\).*Received: \(1, 17, 32\)"),
        ("depth", "of another network: it holds 'blocks.4.norm1.weight'"),
        ("registers", "of another network: it holds 'register_tokens'"),
        ("other", "of another network: it holds 'decoder.weight'"),
    ],
)
def test_another_network_is_refused_whole(how, message, model, encoder, tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(changed(dino.original_layout(model), how), path)
    before = encoder.get_weights()
    with pytest.raises(ValueError, match=message) as error:
        load_dino_checkpoint(encoder, path)
    assert "weights.pth" in str(error.value)
    for ours, expected in zip(encoder.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_a_directory_of_other_heads_is_refused(model, encoder, tmp_path):
    """Tensors have the same shapes whatever their number."""
    model.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"num_attention_heads": 4}))
    message = "'num_attention_heads' must be 2 for vision_transformer. Received: 4"
    with pytest.raises(ValueError, match=f"config.json' is of another.*{message}"):
        load_dino_checkpoint(encoder, tmp_path)
    path.write_text("[")
    with pytest.raises(ValueError, match="config.json' can't be read as JSON"):
        load_dino_checkpoint(encoder, tmp_path)


@pytest.mark.parametrize("name", ["broken.safetensors", "broken.pth"])
def test_a_broken_file_is_refused_by_name(name, encoder, tmp_path):
    path = tmp_path / name
    path.write_bytes(b"\x08\0\0\0\0\0\0\0not json")
    with pytest.raises(ValueError, match=f"{name}' can't be read as a "):
        load_dino_checkpoint(encoder, path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`weights` must be .*missing.*is no file"):
        dpt(2, weights=str(tmp_path / "missing"))
    with pytest.raises(ValueError, match=r"model.safetensors'.* is no file"):
        dpt(2, weights=str(tmp_path))
