"""The encoders, against those of `transformers` with random weights."""

import dino_reference as dino
import keras
import numpy as np
import pytest
from gradients import gradients
from safetensors.torch import save_file
from tiers import core_and_full, full_on

from keras_imas.models import dino_encoder, vision_transformer
from keras_imas.models.dino_checkpoint import load_dino_checkpoint

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module", params=core_and_full(["dinov2", "dinov3"], dino.KINDS))
def pair(request, tmp_path_factory):
    """A model of `transformers`, and ours with its weights from its own directory."""
    model = dino.reference(request.param)
    folder = tmp_path_factory.mktemp("checkpoint")
    model.save_pretrained(folder)
    encoder = dino.encoder(request.param)
    assert load_dino_checkpoint(encoder, folder) == ["embeddings.mask_token"]
    return request.param, model, encoder


@full_on("tensorflow", "jax")
@pytest.mark.parametrize(
    "size", core_and_full([(5, 5), (3, 9)], [(5, 5), (3, 9), (2, 2)])
)
def test_patch_tokens_are_those_of_transformers(pair, size):
    _, model, encoder = pair
    images = dino.images(*size, model.config.patch_size)
    expected = dino.last_tokens(model, images)
    maps = encoder.predict_on_batch(images)
    assert maps[-1].shape == expected.shape
    np.testing.assert_allclose(maps[-1], expected, atol=1e-4)
    with torch.no_grad():
        earlier = dino.feature_maps(model, images)
    for ours, theirs in zip(maps, earlier, strict=True):
        np.testing.assert_allclose(ours, theirs.permute(0, 2, 3, 1), atol=1e-4)


def test_the_original_layout_gives_the_same(pair, tmp_path):
    kind, model, encoder = pair
    path = tmp_path / "original.pth"
    torch.save(dino.original_layout(model), path)
    again = dino.encoder(kind)
    unused = load_dino_checkpoint(again, path)
    assert "mask_token" in unused
    assert len(unused) == (2 + dino.DEPTH if kind == "dinov3" else 1)
    for ours, expected in zip(again.weights, encoder.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), expected.numpy())


def test_holds_all_parameters_but_the_mask_token(pair):
    _, model, encoder = pair
    count = sum(parameter.numel() for parameter in model.parameters())
    assert encoder.count_params() == count - dino.WIDTH


@pytest.mark.parametrize(
    "kind", core_and_full(["dinov2", "dinov3"], ["dinov2", "dinov3", "dinov2_giant"])
)
def test_gradients_are_pytorchs_and_reach_every_block(kind, tmp_path):
    model, encoder = dino.reference(kind), dino.encoder(kind)
    model.save_pretrained(tmp_path)
    load_dino_checkpoint(encoder, tmp_path)
    images = dino.images(3, 4, model.config.patch_size)
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(4, 2, 3, 4, dino.WIDTH)).astype("float32")

    def loss(maps):
        return sum(
            keras.ops.mean(x * keras.ops.convert_to_tensor(part))
            for x, part in zip(maps, weight, strict=True)
        )

    found = gradients(encoder, images, loss)
    maps = dino.feature_maps(model, images)
    total = sum(
        (x.permute(0, 2, 3, 1) * torch.tensor(part)).mean()
        for x, part in zip(maps, weight, strict=True)
    )
    total.backward()
    # The gradients in a checkpoint of their own come back under our names.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(
                torch.zeros(()) if parameter.grad is None else parameter.grad
            )
    model.save_pretrained(tmp_path / "gradients")
    expected = dino.encoder(kind)
    load_dino_checkpoint(expected, tmp_path / "gradients")
    scale = max(abs(v.numpy()).max() for v in expected.trainable_variables)
    for variable, gradient in zip(expected.trainable_variables, found, strict=True):
        np.testing.assert_allclose(
            gradient, variable.numpy(), atol=1e-3 * scale, err_msg=variable.path
        )
        # Added to all keys alike, their bias changes no attention.
        if not variable.path.endswith("key/bias"):
            assert abs(gradient).max() > 1e-4 * scale, variable.path


PARAMETERS = {  # millions
    "dinov2_small": 22.06,
    "dinov2_base": 86.58,
    "dinov2_large": 304.37,
    "dinov2_with_registers_small": 22.06,
    "dinov3_vit_small": 21.60,
    "dinov3_vit_base": 85.66,
    "dinov3_vit_large": 303.13,
}


@pytest.mark.parametrize("name", core_and_full(["dinov2_small"], PARAMETERS))
def test_parameters_and_features_are_the_published_ones(name):
    encoder = dino_encoder(name, weights=None)
    assert round(encoder.count_params() / 1e6, 2) == PARAMETERS[name]
    features = [x.name for x in encoder.layers if x.name.startswith("features")]
    blocks = (4, 11, 17, 23) if "large" in name else (2, 5, 8, 11)
    assert features == [f"features_{block}" for block in blocks]


@pytest.mark.parametrize(
    ("size", "count"),
    [((28, 42), (2, 3)), ((34, 35), (2, 3)), ((3, 90), (1, 6))],
)
def test_sides_are_resized_to_the_nearest_multiple(size, count):
    encoder = vision_transformer(width=8, depth=4, heads=2, grid=3)
    images = np.random.default_rng(0).uniform(0, 255, (1, *size, 3)).astype("float32")
    maps = encoder.predict_on_batch(images)
    assert [x.shape for x in maps] == 4 * [(1, *count, 8)]
    tensor = torch.tensor(images).permute(0, 3, 1, 2)
    resized = torch.nn.functional.interpolate(
        tensor, [14 * n for n in count], mode="bilinear", align_corners=True
    )
    expected = encoder.predict_on_batch(resized.permute(0, 2, 3, 1).numpy())
    for ours, wanted in zip(maps, expected, strict=True):
        np.testing.assert_allclose(ours, wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 3}, "`width` must be a multiple of `heads`.*width=32, heads=3"),
        ({"heads": 16, "rotary": True}, "`heads` times a multiple of 4.*heads=16"),
    ],
)
def test_refuses_heads_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        vision_transformer(width=32, depth=4, **options)


def test_refuses_an_unknown_name():
    with pytest.raises(ValueError, match=r"`backbone` must be one of dinov2_.*'vit'"):
        dino_encoder("vit", weights=None)


def test_licensed_weights_are_no_download():
    with pytest.raises(ValueError, match="dinov3_vit_small.*accept their license"):
        dino_encoder("dinov3_vit_small")


def test_safetensors_need_no_pytorch(pair, tmp_path):
    """In a process in which PyTorch can't be imported."""
    import programs

    kind, model, encoder = pair
    if kind != "dinov2" or keras.backend.backend() == "torch":
        pytest.skip("once, and where it can be")
    save_file(dino.original_layout(model), tmp_path / "original.safetensors")
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from keras_imas.models import vision_transformer\n"
        "from keras_imas.models.dino_checkpoint import load_dino_checkpoint\n"
        "encoder = vision_transformer(width=32, depth=4, heads=2, grid=5)\n"
        "print(load_dino_checkpoint(encoder, 'original.safetensors'))\n"
    )
    process = programs.run("-c", program, cwd=tmp_path)
    assert "['mask_token']" in process.stdout, process.stdout
