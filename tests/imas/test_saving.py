"""Evaluation, prediction and files."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import reference
from keras import ops
from tiny_imas import (
    CLASSES,
    HEIGHT,
    TRAINING_LOGS,
    WIDTH,
    Subclassed,
    assert_all_close,
    built,
    compiled,
    conv_student,
    eager,
    images,
    label_maps,
    mean_cross_entropy,
    resized,
    step,
    weights,
)

import keras_imas
from keras_imas.metrics import MeanIoU


def test_the_teacher_evaluates_and_predicts():
    model = compiled(
        keras_imas.IMAS(conv_student()), metrics=[MeanIoU(CLASSES, ignore_class=255)]
    )
    model.teacher.set_weights([w + 0.1 for w in model.teacher.get_weights()])
    x, labels = images(3, 5), label_maps(3)
    logits = model.predict(x, batch_size=2, verbose=0)
    expected = model.teacher.predict(x, verbose=0)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    assert np.abs(logits - model.student.predict(x, verbose=0)).max() > 1e-3
    values = model.evaluate(x, labels, batch_size=3, verbose=0, return_dict=True)
    assert set(values) == {"loss", "mean_iou"}
    assert values["loss"] == pytest.approx(
        mean_cross_entropy(logits, labels, 255), rel=1e-4
    )
    assert values["mean_iou"] == pytest.approx(
        reference.mean_iou(labels, logits.argmax(-1), CLASSES, 255), rel=1e-4
    )


def test_logits_of_lower_resolution_come_out_at_the_resolution_of_the_images():
    layers = [
        keras.Input((None, None, 3)),
        keras.layers.Conv2D(CLASSES, 3, strides=2, padding="same"),
    ]
    model = eager(keras_imas.IMAS(keras.Sequential(layers)), 1e-6)
    for size in ((6, 7), (9, 5)):
        predicted = model.predict(images(2, size=size), verbose=0)
        assert predicted.shape == (2, *size, CLASSES)
        low = model.teacher.predict(images(2, size=size), verbose=0)
        np.testing.assert_allclose(predicted, resized(low, *size), rtol=1e-3, atol=1e-3)
    assert set(step(model)) == TRAINING_LOGS


def trained(**options):
    options = {
        "confidence_threshold": 0.4,
        "unlabeled_weight": keras.optimizers.schedules.PolynomialDecay(
            0.0, 8, end_learning_rate=2.0
        ),
        "ema_decay": 0.9,
        "background_class": 0,
        "pairing_group_size": 2,
        **options,
    }
    model = keras_imas.IMAS(conv_student(), **options)
    rate = keras.optimizers.schedules.PolynomialDecay(0.02, 10, power=0.9)
    model.compile(
        keras_imas.optimizers.SGD(rate, momentum=0.9, l2=1e-3),
        keras_imas.losses.OHEMCrossentropy(0.8),
        metrics=[MeanIoU(CLASSES, ignore_class=255)],
        run_eagerly=True,
    )
    for _ in range(2):
        step(model)
    return model


def test_a_saved_model_loads_and_trains_on(tmp_path):
    model = trained(cutmix_probability=0.0)  # no draw has an effect
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is keras_imas.IMAS
    before, after = model.get_config(), loaded.get_config()
    assert after["unlabeled_weight"]["config"] == before["unlabeled_weight"]["config"]
    nested = {"student", "teacher", "unlabeled_weight"}
    assert {k: v for k, v in after.items() if k not in nested} == {
        k: v for k, v in before.items() if k not in nested
    }
    assert int(loaded.step) == 2
    assert_all_close(weights(loaded), weights(model), rtol=0, atol=0)
    assert_all_close(weights(loaded.teacher), weights(model.teacher), rtol=0, atol=0)
    x, labels = images(3, 5), label_maps(3)
    np.testing.assert_allclose(
        loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-5
    )
    values = [
        m.evaluate(x, labels, verbose=0, return_dict=True) for m in (loaded, model)
    ]
    assert set(values[0]) == {"loss", "mean_iou"}
    assert values[0] == pytest.approx(values[1], rel=1e-4)
    # Momentum and schedules go on where they were.
    assert_all_close(
        [ops.convert_to_numpy(v) for v in loaded.optimizer.variables],
        [ops.convert_to_numpy(v) for v in model.optimizer.variables],
    )
    for _ in range(2):
        assert step(loaded) == pytest.approx(step(model), rel=1e-4)
    assert_all_close(weights(loaded), weights(model), rtol=1e-4)
    assert int(loaded.step) == 4


def test_config_holds_every_argument():
    model = keras_imas.IMAS(conv_student(), cutmix_range=[0.3, 0.4], name="mine")
    config = model.get_config()
    copy = keras_imas.IMAS.from_config(config)
    assert copy.name == "mine" and copy.cutmix_range == (0.3, 0.4)
    assert copy.unlabeled_weight == 3.0
    arguments = {
        "confidence_threshold": 0.1,
        "unlabeled_weight": 0.2,
        "ema_decay": 0.3,
        "ema_copy_steps": 4,
        "supervised_only_steps": 5,
        "background_class": 2,
        "ignore_class": 6,
        "auxiliary_weight": 0.7,
        "cutmix_range": (0.2, 0.8),
        "cutmix_probability": 0.9,
        "pairing_group_size": 4,
        "adaptive_intensity": False,
        "adaptive_cutmix": False,
        "hardness_weighting": False,
        "seed": 10,
    }
    config = keras_imas.IMAS.from_config(
        keras_imas.IMAS(conv_student(), **arguments).get_config()
    ).get_config()
    assert {name: config[name] for name in arguments} == arguments


def test_a_subclassed_student_saves_and_loads(tmp_path):
    model = eager(keras_imas.IMAS(built(Subclassed(filters=5))), 1e-6)
    step(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_all_close(
        loaded.predict(images(2), verbose=0), model.predict(images(2), verbose=0)
    )


def test_teacher_loads_with_keras_alone(tmp_path):
    model = compiled(keras_imas.IMAS(conv_student()))
    step(model)
    model.teacher.save(tmp_path / "teacher.keras")
    np.save(tmp_path / "images.npy", images(2))
    program = (
        "import keras, numpy, sys\n"
        "model = keras.saving.load_model('teacher.keras')\n"
        "logits = model.predict_on_batch(numpy.load('images.npy'))\n"
        "numpy.save('logits.npy', logits)\n"
        "assert 'keras_imas' not in sys.modules\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr[-4000:]
    np.testing.assert_allclose(
        np.load(tmp_path / "logits.npy"),
        model.predict(images(2), verbose=0),
        rtol=1e-4,
        atol=1e-5,
    )


def with_lower_resolution():
    inputs = keras.Input((HEIGHT, WIDTH, 3))
    outputs = [keras.layers.Conv2D(CLASSES, 1, strides=s)(inputs) for s in (2, 3)]
    return keras_imas.IMAS(keras.Model(inputs, outputs))


@pytest.mark.skipif(
    not importlib.util.find_spec("tensorflow"), reason="needs TensorFlow"
)
@pytest.mark.skipif(
    keras.backend.backend() == "torch",
    reason="Keras exports SavedModels from the TensorFlow and JAX backends only",
)
def test_exports_a_saved_model(tmp_path):
    import tensorflow as tf

    model = with_lower_resolution()
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(
        exported.serve(images(3)),
        model.predict(images(3), verbose=0),
        rtol=1e-4,
        atol=1e-3,
    )


@pytest.mark.filterwarnings("ignore")  # of the tracing within PyTorch
def test_exports_to_onnx(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    needed = {"tensorflow": "tf2onnx", "jax": "jax2onnx", "torch": "onnxscript"}
    pytest.importorskip(needed[keras.backend.backend()])
    layers = [
        keras.Input((HEIGHT, WIDTH, 3)),
        keras.layers.Normalization(mean=[90.0] * 3, variance=[60.0**2] * 3),
        keras.layers.Conv2D(CLASSES, 1, strides=2),
    ]
    model = keras_imas.IMAS(keras.Sequential(layers))
    model.export(tmp_path / "exported.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "exported.onnx")
    [logits] = session.run(None, {"images": images(1)})
    np.testing.assert_allclose(
        logits, model.predict(images(1), verbose=0), rtol=1e-4, atol=1e-3
    )


@pytest.mark.torch_only
def test_an_export_from_pytorch_needs_a_size(tmp_path):
    layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(CLASSES, 1)]
    model = keras_imas.IMAS(keras.Sequential(layers))
    with pytest.raises(ValueError, match="any size.*Pass `input_signature="):
        model.export(tmp_path / "exported.pt2", format="torch", verbose=False)
    assert not os.listdir(tmp_path)


@pytest.mark.torch_only
def test_exports_a_torch_program(tmp_path):
    import torch

    model = with_lower_resolution()
    model.export(tmp_path / "exported.pt2", format="torch", verbose=False)
    program = torch.export.load(tmp_path / "exported.pt2").module()
    with torch.no_grad():
        logits = program(torch.from_numpy(images(1)))
    np.testing.assert_allclose(
        logits.numpy(), model.predict(images(1), verbose=0), rtol=1e-4, atol=1e-3
    )
