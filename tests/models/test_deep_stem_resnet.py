"""The converter, against a PyTorch twin of the network with random weights."""

import pickle

import numpy as np
import pytest
from tiers import core_and_full, full_on

from keras_imas.models import dilated_backbone
from keras_imas.models.deep_stem_resnet import deep_stem_resnet

torch = pytest.importorskip("torch")


def stem(sequential):
    def conv(inside, outside, stride):
        return torch.nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False)

    norm, relu = torch.nn.BatchNorm2d, torch.nn.ReLU
    if sequential:
        layers = {
            "conv1": torch.nn.Sequential(
                conv(3, 64, 2), norm(64), relu(), conv(64, 64, 1), norm(64), relu(),
                conv(64, 128, 1),
            ),
            "bn1": norm(128),
        }  # fmt: skip
    else:
        layers = {
            "conv1": conv(3, 64, 2), "bn1": norm(64), "relu1": relu(),
            "conv2": conv(64, 64, 1), "bn2": norm(64), "relu2": relu(),
            "conv3": conv(64, 128, 1), "bn3": norm(128),
        }  # fmt: skip
    return layers


class Bottleneck(torch.nn.Module):
    def __init__(self, inside, width, stride, dilation):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(inside, width, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(width)
        self.conv2 = torch.nn.Conv2d(
            width, width, 3, stride, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = torch.nn.BatchNorm2d(width)
        self.conv3 = torch.nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = torch.nn.BatchNorm2d(4 * width)
        self.downsample = None
        if inside != 4 * width or stride > 1:
            self.downsample = torch.nn.Sequential(
                torch.nn.Conv2d(inside, 4 * width, 1, stride, bias=False),
                torch.nn.BatchNorm2d(4 * width),
            )

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        return torch.relu(self.bn3(self.conv3(x)) + identity)


def twin(sequential, strides, dilations):
    """A deep-stem ResNet-50; dilations for each block of the last two stages."""
    layers = stem(sequential)
    layers["relu"] = torch.nn.ReLU()
    layers["maxpool"] = torch.nn.MaxPool2d(3, 2, padding=1)
    inside = 128
    for stage, (count, width) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512))):
        blocks = []
        for block in range(count):
            rate = dilations[block] if stage == 3 else 1
            stride = strides[stage] if block == 0 else 1
            blocks.append(Bottleneck(inside, width, stride, rate))
            inside = 4 * width
        layers[f"layer{stage + 1}"] = torch.nn.Sequential(*blocks)
    network = torch.nn.Sequential()
    for name, layer in layers.items():
        network.add_module(name, layer)
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if "running_mean" in name or "bias" in name:
            tensor.normal_(0, 0.1, generator=generator)
        elif tensor.ndim == 1:
            tensor.uniform_(0.5, 1.0, generator=generator)
    return network.eval()


@full_on("tensorflow", "jax")
@pytest.mark.parametrize("sequential", core_and_full([True], [True, False]))
def test_converted_features_equal_those_of_pytorch(sequential, tmp_path):
    network = twin(sequential, strides=(1, 2, 2, 1), dilations=(2, 4, 8))
    tensors = dict(network.state_dict())
    tensors["fc.weight"] = torch.zeros((1000, 2048))
    path = str(tmp_path / "resnet50.pth")
    torch.save({f"module.{name}": tensor for name, tensor in tensors.items()}, path)
    encoder = dilated_backbone("resnet50_deep_stem", multi_grid=(1, 2, 4), weights=path)
    images = np.random.default_rng(0).uniform(0, 255, (1, 50, 65, 3)).astype("float32")
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    scaled = torch.tensor((images / 255 - mean) / deviation, dtype=torch.float32)
    with torch.no_grad():
        expected = network(scaled.permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
    features = encoder.predict_on_batch(images)[-1]
    assert features.shape == expected.shape
    scale = abs(expected).max()
    np.testing.assert_allclose(features / scale, expected / scale, atol=1e-4)


def change(tensors, how):
    if how == "missing":
        del tensors["layer3.2.bn2.running_mean"]
    elif how == "shape":
        tensors["layer1.0.conv1.weight"] = torch.zeros((64, 64, 1, 1))
    else:
        tensors["layer5.0.conv1.weight"] = torch.zeros((1,))


@full_on("tensorflow", "jax")
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", "has no tensor 'layer3.2.bn2.running_mean'"),
        ("shape", r"'layer1.0.conv1.weight'.* must be .*128, 64.*Received"),
        ("other", "another network: it holds 'layer5.0.conv1.weight'"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(how, message, tmp_path):
    tensors = dict(twin(True, (1, 2, 2, 2), (1, 1, 1)).state_dict())
    change(tensors, how)
    path = str(tmp_path / "other.pth")
    torch.save(tensors, path)
    with pytest.raises(ValueError, match=message):
        dilated_backbone("resnet50_deep_stem", weights=path)


class Evil:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@full_on("tensorflow", "jax")
@pytest.mark.parametrize("kind", ["pickle", "zip"])
def test_a_checkpoint_can_run_no_code(kind, tmp_path):
    path, proof = tmp_path / "evil.pth", tmp_path / "proof"
    if kind == "zip":
        torch.save({"conv1.0.weight": Evil(str(proof))}, path)
    else:
        path.write_bytes(pickle.dumps({"conv1.0.weight": Evil(str(proof))}))
    with pytest.raises(ValueError, match="evil.pth' can't be read as a PyTorch"):
        dilated_backbone("resnet50_deep_stem", weights=str(path))
    assert not proof.exists()


def test_depth_must_be_one_of_the_papers():
    with pytest.raises(ValueError, match="`depth` must be 50 or 101.*34"):
        deep_stem_resnet(34)
