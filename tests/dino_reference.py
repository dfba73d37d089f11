"""Small DINO models of `transformers` with random weights, and their twins here."""

import numpy as np
import pytest

from keras_imas.models import vision_transformer

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

WIDTH, DEPTH, HEADS = 32, 4, 2
_SMALL = {
    "hidden_size": WIDTH,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": HEADS,
    "initializer_range": 0.1,
}
_LEARNED = {"image_size": 70, "patch_size": 14}
_REGISTERS = {"num_register_tokens": 4}
# What `transformers` takes, what we take, and the side of a patch.
KINDS = {
    "dinov2": ("Dinov2", _LEARNED, {"grid": 5}),
    "dinov2_giant": (
        "Dinov2",
        {**_LEARNED, "use_swiglu_ffn": True},
        {"grid": 5, "gated": 88},
    ),
    "dinov2_with_registers": (
        "Dinov2WithRegisters",
        {**_LEARNED, **_REGISTERS},
        {"grid": 5, "registers": 4, "antialias": True},
    ),
    "dinov3": (
        "DINOv3ViT",
        {"image_size": 64, "intermediate_size": 4 * WIDTH, **_REGISTERS},
        {"patch_size": 16, "registers": 4, "rotary": True, "epsilon": 1e-5},
    ),
}


def reference(kind):
    """Return a model of `transformers` in which each tensor is random."""
    name, options, _ = KINDS[kind]
    config = getattr(transformers, f"{name}Config")(**_SMALL, **options)
    torch.manual_seed(0)
    model = getattr(transformers, f"{name}Model")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def encoder(kind, **changes):
    """Return the same architecture of ours, with weights of its own."""
    options = {"width": WIDTH, "depth": DEPTH, "heads": HEADS, **KINDS[kind][2]}
    return vision_transformer(**{**options, **changes})


def images(rows, columns, patch, batch_size=2):
    rng = np.random.default_rng(0)
    shape = (batch_size, rows * patch, columns * patch, 3)
    return rng.uniform(0, 255, shape).astype("float32")


def standardized(images):
    """Return images as PyTorch takes them."""
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    scaled = (torch.tensor(images) / 255 - torch.tensor(mean)) / torch.tensor(deviation)
    return scaled.permute(0, 3, 1, 2)


def feature_maps(model, images):
    """Return the four maps `(B, channels, h, w)` of a model of `transformers`."""
    patch = model.config.patch_size
    rows, columns = images.shape[1] // patch, images.shape[2] // patch
    outputs = model(standardized(images), output_hidden_states=True)
    norm = getattr(model, "layernorm", None) or model.norm
    maps = []
    for tokens in outputs.hidden_states[1:]:  # the first are those of the embedding
        tokens = norm(tokens)[:, -rows * columns :]
        maps.append(tokens.transpose(1, 2).unflatten(2, (rows, columns)))
    return maps


def last_tokens(model, images):
    """Return the last patch tokens `(B, h, w, channels)` of `transformers`."""
    patch = model.config.patch_size
    rows, columns = images.shape[1] // patch, images.shape[2] // patch
    with torch.no_grad():
        tokens = model(standardized(images)).last_hidden_state
    return tokens[:, -rows * columns :].unflatten(1, (rows, columns)).numpy()


# Names in the original programs, of parts of a block in `transformers`.
_ORIGINAL = {
    "norm1": "norm1",
    "norm2": "norm2",
    "attention.o_proj": "attn.proj",
    "layer_scale1.lambda1": "ls1.gamma",
    "layer_scale2.lambda1": "ls2.gamma",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    "mlp.down_proj": "mlp.w3",
}


def original_layout(model):
    """Return the tensors of a model by the names of the original programs."""
    tensors = model.state_dict()
    version_3 = "DINOv3" in type(model).__name__
    head = {
        "cls_token": "embeddings.cls_token",
        "mask_token": "embeddings.mask_token",
        "pos_embed": "embeddings.position_embeddings",
        "storage_tokens" if version_3 else "register_tokens": (
            "embeddings.register_tokens"
        ),
        "norm.weight": "norm.weight" if version_3 else "layernorm.weight",
        "norm.bias": "norm.bias" if version_3 else "layernorm.bias",
    }
    result = {ours: tensors[name] for ours, name in head.items() if name in tensors}
    projection = "patch_embeddings" + ("" if version_3 else ".projection")
    for kind in ("weight", "bias"):
        result[f"patch_embed.proj.{kind}"] = tensors[f"embeddings.{projection}.{kind}"]
    names = {**_ORIGINAL}
    if version_3:
        names |= {"mlp.up_proj": "mlp.fc1", "mlp.down_proj": "mlp.fc2"}
        result["rope_embed.periods"] = torch.ones(WIDTH // HEADS // 4)
    for block in range(DEPTH):
        old = f"{'model.' if version_3 else 'encoder.'}layer.{block}."
        new = f"blocks.{block}."
        for theirs, original in names.items():
            for end in ("", ".weight", ".bias"):
                if old + theirs + end in tensors:
                    result[new + original + end] = tensors[old + theirs + end]
        for kind in ("weight", "bias"):
            parts = [
                tensors.get(f"{old}attention.{name}_proj.{kind}", torch.zeros(WIDTH))
                for name in "qkv"
            ]
            result[f"{new}attn.qkv.{kind}"] = torch.cat(parts)
            gated = [f"{old}mlp.{name}_proj.{kind}" for name in ("gate", "up")]
            if gated[0] in tensors:
                both = torch.cat([tensors[name] for name in gated])
                result[f"{new}mlp.w12.{kind}"] = both
        if version_3:
            result[f"{new}attn.qkv.bias_mask"] = torch.ones(3 * WIDTH)
    return result
