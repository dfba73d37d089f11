import json

import keras
import numpy as np
import programs
import pytest
from PIL import Image

from keras_imas.data import ClassTable
from keras_imas.inference.export import FORMATS, Format, describe, export
from keras_imas.models.logits import segmenter

RNG = np.random.default_rng(0)
SIZE = (32, 48)
METADATA = describe(SIZE, ClassTable(("sky", "sea"), ((1, 2, 3), (4, 5, 6))))


def network():
    layers = [
        keras.Input((None, None, 3)),
        keras.layers.Normalization(mean=[90.0] * 3, variance=[60.0**2] * 3),
        keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="gelu"),
        keras.layers.BatchNormalization(),
        keras.layers.Conv2D(2, 1),
    ]
    return segmenter(keras.Sequential(layers))


def test_an_export_tells_what_its_images_were_made_of():
    classes = ClassTable(("sky", "sea"), ((1, 2, 3), (4, 5, 6)))
    assert METADATA["input"]["range"] == [0, 255]
    assert METADATA["input"]["values_in_files"] is None
    twelve_bits = describe(SIZE, classes, (0, 4095))["input"]
    assert twelve_bits["values_in_files"] == [0, 4095]


def export_small(format, directory):
    return export(
        network(),
        str(directory),
        format,
        size=SIZE,
        metadata=METADATA,
        photograph=RNG.integers(0, 256, (*SIZE, 3)),
    )


# What Keras needs besides, by backend and format; and what it can't do.
NEEDED = {
    ("tensorflow", "onnx"): "tf2onnx",
    ("torch", "tf_saved_model"): "torch_xla",
    ("torch", "litert"): "litert_torch",
    ("jax", "onnx"): "jax2onnx",
}
LIMITS = {
    ("jax", "litert"): "requires TensorFlow or PyTorch",
    ("jax", "openvino"): "No conversion rule found for operations: XlaCallModule",
}


@pytest.mark.full
@pytest.mark.parametrize("format", FORMATS)
def test_an_export_computes_the_same_in_its_own_runtime(format, tmp_path):
    for module in FORMATS[format].packages:
        pytest.importorskip(module)
    where = (keras.backend.backend(), format)
    if where in LIMITS:
        with pytest.raises(Exception, match=LIMITS[where]):
            export_small(format, tmp_path)
        return
    if where in NEEDED:
        pytest.importorskip(NEEDED[where])
    result = export_small(format, tmp_path)
    assert result["same_class"] == 1 and result["megabytes"] > 0
    if format == "onnx":
        import onnx

        found = onnx.load(result["path"]).metadata_props
        assert json.loads({p.key: p.value for p in found}["keras_imas"]) == METADATA
    if format == "openvino":
        import openvino

        model = openvino.Core().read_model(result["path"])
        assert json.loads(model.get_rt_info("keras_imas").astype(str)) == METADATA


@pytest.mark.full
@pytest.mark.jax_only
def test_what_jax_cannot_export_tensorflow_can(tmp_path, monkeypatch):
    pytest.importorskip("ai_edge_litert")
    network().save(tmp_path / "network.keras")
    Image.new("RGB", SIZE[::-1]).save(tmp_path / "photo.png")
    command = [
        programs.ROOT / "scripts" / "export.py",
        "--model=network.keras",
        "--image=photo.png",
        "--formats=litert",
    ]
    process = programs.run(*command, "--output=jax", cwd=tmp_path)
    assert process.returncode == 1, process.stdout
    assert "try KERAS_BACKEND=tensorflow" in process.stdout
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    process = programs.run(*command, "--output=tensorflow", cwd=tmp_path)
    assert process.returncode == 0, process.stdout
    assert "litert: tensorflow/model.tflite" in process.stdout


@pytest.mark.full
@pytest.mark.tensorflow_only
def test_an_export_that_computes_something_else_is_refused(tmp_path):
    class Dropping(keras.layers.Layer):
        """Computes something else when it is traced for an export."""

        def call(self, inputs):
            import tensorflow as tf

            return inputs * (1.0 if tf.executing_eagerly() else 2.0)

    inputs = keras.Input((*SIZE, 3))
    outputs = Dropping()(keras.layers.Conv2D(2, 1)(inputs))
    with pytest.raises(ValueError, match="computes something else"):
        export(
            keras.Model(inputs, outputs),
            str(tmp_path),
            "tf_saved_model",
            size=SIZE,
            metadata=METADATA,
            photograph=RNG.integers(0, 256, (*SIZE, 3)),
        )


def test_says_what_is_not_installed(tmp_path, monkeypatch):
    missing = Format("x", {"no_such_module": "no-such-package"}, None)
    monkeypatch.setitem(FORMATS, "onnx", missing)
    with pytest.raises(ModuleNotFoundError, match="pip install no-such-package"):
        export_small("onnx", tmp_path)
    assert not list(tmp_path.iterdir())
