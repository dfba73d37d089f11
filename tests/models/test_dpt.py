"""The head against a twin in PyTorch, and the network as a student."""

import re

import keras
import numpy as np
import pytest
from gradients import gradients
from keras import ops
from PIL import Image
from tiers import core_and_full, full_on

import keras_imas
from keras_imas.models import dpt, vision_transformer
from keras_imas.models.deeplab_v3_plus import HEAD

CLASSES, PATCH = 3, 8


def network(frozen=False, dropout=False, **options):
    options = {"width": 48, "depth": 4, "heads": 2, "grid": 4, **options}
    encoder = vision_transformer(patch_size=PATCH, **options)
    return dpt(CLASSES, backbone=encoder, frozen=frozen, complementary_dropout=dropout)


def images(height, width, batch_size=2):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (batch_size, height, width, 3)).astype("float32")


class Twin:
    """The head in PyTorch's functions, with the weights of ours by name."""

    def __init__(self, network):
        self.torch = pytest.importorskip("torch")
        self.functional = self.torch.nn.functional
        self.weights = {}
        for layer in network.layers:
            for variable in () if isinstance(layer, keras.Model) else layer.weights:
                value = variable.numpy()
                if value.ndim == 4:  # also of transposed ones: (in, out, rows, columns)
                    value = value.transpose(3, 2, 0, 1)
                tensor = self.torch.tensor(value, requires_grad=True)
                self.weights[f"{layer.name}/{variable.name}"] = tensor

    def convolve(self, x, name, **options):
        kernel, bias = (self.weights.get(f"{name}/{k}") for k in ("kernel", "bias"))
        return self.functional.conv2d(x, kernel, bias, **options)

    def enlarge(self, x, name, factor):
        kernel, bias = (self.weights[f"{name}/{k}"] for k in ("kernel", "bias"))
        return self.functional.conv_transpose2d(x, kernel, bias, stride=factor)

    def residual(self, x, name):
        y = self.convolve(self.torch.relu(x), f"{name}_conv_1", padding=1)
        return x + self.convolve(self.torch.relu(y), f"{name}_conv_2", padding=1)

    def resize(self, x, size):
        return self.functional.interpolate(x, size, mode="bilinear", align_corners=True)

    def __call__(self, features, size):
        x = [
            self.convolve(
                self.torch.tensor(y).permute(0, 3, 1, 2), f"decoder_project_{number}"
            )
            for number, y in enumerate(features, 1)
        ]
        x[0] = self.enlarge(x[0], "decoder_enlarge_1", 4)
        x[1] = self.enlarge(x[1], "decoder_enlarge_2", 2)
        x[3] = self.convolve(x[3], "decoder_reduce_4", stride=2, padding=1)
        for index, y in enumerate(x):
            x[index] = self.convolve(y, f"decoder_level_{index + 1}", padding=1)
        path = 0.0
        for number in (4, 3, 2, 1):
            y = x[number - 1]
            if number < 4:
                y = path + self.residual(y, f"decoder_refine_{number}_map")
            y = self.residual(y, f"decoder_refine_{number}")
            if number > 1:
                y = self.resize(y, x[number - 2].shape[2:])
            else:
                y = self.resize(y, (2 * y.shape[2], 2 * y.shape[3]))
            path = self.convolve(y, f"decoder_fuse_{number}")
        path = self.torch.relu(self.convolve(path, "decoder_last", padding=1))
        logits = self.resize(self.convolve(path, "classifier"), size)
        return logits.permute(0, 2, 3, 1)


@pytest.mark.parametrize("size", core_and_full([(32, 40)], [(32, 40), (8, 50)]))
def test_head_is_its_twin_in_pytorch(size):
    model = network()
    rng = np.random.default_rng(1)
    for variable in model.variables:
        if variable.path.endswith("bias"):
            variable.assign(rng.normal(0, 0.1, variable.shape))
    x = images(*size)
    encoder = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    twin = Twin(model)
    expected = twin(encoder.predict_on_batch(x), size)
    logits = model.predict_on_batch(x)
    np.testing.assert_allclose(logits, expected.detach(), atol=1e-4)

    weight = rng.normal(size=logits.shape).astype("float32")
    (expected * twin.torch.tensor(weight)).mean().backward()
    found = gradients(
        model, x, lambda logits: ops.mean(logits * ops.convert_to_tensor(weight))
    )
    by_path = dict(zip([v.path for v in model.trainable_variables], found, strict=True))
    for name, tensor in twin.weights.items():
        gradient = tensor.grad.numpy()
        if gradient.ndim == 4:
            gradient = gradient.transpose(2, 3, 1, 0)
        scale = abs(gradient).max()
        assert scale > 0, name
        np.testing.assert_allclose(
            by_path[name] / scale, gradient / scale, atol=1e-3, err_msg=name
        )


@full_on("tensorflow", "jax")
def test_any_size_and_any_precision(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = network()
    finally:
        keras.config.set_dtype_policy("float32")
    whole = network()
    whole.set_weights(half.get_weights())
    for size in [(32, 32), (7, 61)]:
        x = images(*size)
        logits = whole.predict_on_batch(x)
        assert logits.shape == (2, *size, CLASSES)
        rough = half.predict_on_batch(x)
        assert logits.dtype == rough.dtype == np.float32
        assert abs(rough - logits).max() < 0.1 * abs(logits).max()
    whole.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_allclose(again.predict_on_batch(x), logits, atol=1e-5)


@full_on("tensorflow", "jax")
def test_the_head_has_its_published_size():
    encoder = vision_transformer(width=384, depth=4, heads=6)
    model = dpt(21, backbone=encoder)
    head = [v for v in model.variables if re.search(HEAD, v.path)]
    assert {id(v) for v in encoder.variables}.isdisjoint(id(v) for v in head)
    assert len(encoder.variables) + len(head) == len(model.variables)
    assert round(sum(np.prod(v.shape) for v in head) / 1e6, 1) == 2.7
    for number, (filters, width) in enumerate(
        [(48, 64), (96, 64), (192, 64), (384, 64)], 1
    ):
        assert model.get_layer(f"decoder_project_{number}").filters == filters
        assert model.get_layer(f"decoder_level_{number}").filters == width


def four_scenes():
    """Four pictures of rectangles in the colors of their classes."""
    rng = np.random.default_rng(3)
    label_maps = np.zeros((4, 32, 40), "int32")
    for label_map in label_maps:
        for label in (1, 2):
            top, left = rng.integers(0, (20, 26))
            label_map[top : top + 11, left : left + 13] = label
    colors = np.array([(60, 60, 60), (200, 80, 60), (60, 90, 220)])
    noise = rng.normal(0, 20, (4, 32, 40, 3))
    return np.clip(colors[label_maps] + noise, 0, 255).astype("float32"), label_maps


def mean_iou_after(model, pictures, label_maps, classes, steps, learning_rate):
    """Train on a batch again and again; return its mIoU."""
    metric = keras_imas.metrics.MeanIoU(num_classes=classes, ignore_class=255)
    loss = keras_imas.losses.Crossentropy(ignore_class=255)
    optimizer = keras.optimizers.Adam(learning_rate, global_clipnorm=1.0)
    model.compile(optimizer, loss, jit_compile=keras.backend.backend() == "jax")
    for _ in range(steps):
        model.train_on_batch(pictures, label_maps)
    metric.update_state(label_maps, model.predict_on_batch(pictures))
    return float(metric.result())


@pytest.mark.full
@pytest.mark.parametrize("rotary", core_and_full([False], [False, True]))
def test_learns_four_pictures_by_heart(rotary):
    pictures, label_maps = four_scenes()
    keras.utils.set_random_seed(0)
    model = network(rotary=rotary)
    assert mean_iou_after(model, pictures, label_maps, CLASSES, 80, 3e-3) >= 0.9


def student_batch():
    x = images(24, 28)
    labels = np.random.default_rng(0).integers(0, CLASSES, x.shape[:3])
    return {"labeled": x, "unlabeled": x, "unlabeled_strong": 255 - x}, labels


SUCCESSORS = {
    "strong_views": 2,
    "cutmix_view": "strong",
    "complementary_dropout": True,
}


@full_on("tensorflow", "jax")
@pytest.mark.parametrize("frozen", core_and_full([True], [False, True]))
def test_trains_as_a_student(frozen, tmp_path):
    """As iMAS has it, and frozen with the parts of UniMatch V2."""
    parts = SUCCESSORS if frozen else {}
    student = network(frozen=frozen, dropout=frozen)
    model = keras_imas.IMAS(student, confidence_threshold=0.0, seed=0, **parts)
    model.compile(keras_imas.optimizers.SGD(1e-2))
    encoder = next(x for x in student.layers if isinstance(x, keras.Model))
    before, all_before = encoder.get_weights(), student.get_weights()
    batch, labels = student_batch()
    if frozen:
        batch["unlabeled_strong_2"] = batch["unlabeled_strong"]
    for _ in range(3):
        logs = model.train_on_batch(batch, labels, return_dict=True)
    assert all(np.isfinite(value) for value in logs.values())
    assert bool(encoder.trainable_variables) != frozen
    moved = [
        abs(a - b).max() > 0 for a, b in zip(before, encoder.get_weights(), strict=True)
    ]
    assert any(moved) != frozen
    assert any(
        (a != b).any() for a, b in zip(all_before, student.get_weights(), strict=True)
    )
    if frozen:
        teacher = next(x for x in model.teacher.layers if isinstance(x, keras.Model))
        for ours, theirs in zip(teacher.get_weights(), before, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    model.teacher.save(tmp_path / "teacher.keras")
    again = keras.saving.load_model(tmp_path / "teacher.keras")
    x = images(24, 28)
    np.testing.assert_allclose(
        again.predict_on_batch(x), model.predict_on_batch(x), atol=1e-5
    )
    model.save(tmp_path / "model.keras")
    resumed = keras.saving.load_model(tmp_path / "model.keras")
    encoder = next(x for x in resumed.student.layers if isinstance(x, keras.Model))
    assert bool(encoder.trainable_variables) != frozen


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 0}, "`num_classes` must be positive.*num_classes=0"),
        ({"backbone": "vgg"}, "`backbone` must be one of dinov2_small, .*'vgg'"),
        ({"channels": (8, 8)}, r"`channels` hold four numbers.*channels=\(8, 8\)"),
    ],
)
def test_refuses(arguments, message):
    backbone = vision_transformer(width=48, depth=4, heads=2)
    with pytest.raises(ValueError, match=message):
        dpt(**{"num_classes": 2, "backbone": backbone, **arguments})


@pytest.fixture
def optimized():
    """Let JAX optimize what it compiles, which pays off in minutes of training."""
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    name = "jax_disable_most_optimizations"
    before = jax.config.read(name)
    jax.config.update(name, False)
    yield
    jax.config.update(name, before)


@pytest.mark.full
def test_small_learns_four_photographs_by_heart(shared, optimized):
    """DINOv2-Small from random weights."""
    folder = shared / "camvid"
    pictures, label_maps = [], []
    for name in (folder / "train.txt").read_text().split()[:400:100]:
        for path, parts in (
            (folder / "images" / "train" / f"{name}.jpg", pictures),
            (folder / "masks" / "train" / f"{name}.png", label_maps),
        ):
            with Image.open(path) as image:
                parts.append(np.asarray(image.resize((112, 84), Image.NEAREST)))
    pictures = np.stack(pictures).astype("float32")
    label_maps = np.stack(label_maps).astype("int32")
    label_maps[label_maps == 11] = 255
    keras.utils.set_random_seed(0)
    model = dpt(11, backbone="dinov2_small", weights=None)
    rate = keras.optimizers.schedules.CosineDecay(5e-4, 400)
    assert mean_iou_after(model, pictures, label_maps, 11, 400, rate) >= 0.9


@pytest.mark.full
def test_an_export_to_onnx_computes_the_same(tmp_path):
    """Of DINOv2-Small, in ONNX Runtime."""
    for module in ("onnx", "onnxruntime"):
        pytest.importorskip(module)
    if keras.backend.backend() == "jax":
        pytest.importorskip("jax2onnx")
    if keras.backend.backend() == "tensorflow":
        pytest.importorskip("tf2onnx")
    from keras_imas.inference.export import export
    from keras_imas.models.logits import segmenter

    student = dpt(CLASSES, backbone="dinov2_small", weights=None)
    result = export(
        segmenter(student),
        str(tmp_path),
        "onnx",
        size=(60, 84),
        metadata={},
        photograph=images(60, 84)[0],
    )
    assert result["same_class"] > 0.99
    assert result["largest_difference"] < 1e-2 * result["logits_range"]
