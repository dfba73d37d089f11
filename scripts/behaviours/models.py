"""Scenarios of models as such: networks, calls, files, exports, predictions."""

import keras
import numpy as np
from behaviours import facts, tiny
from behaviours.training import trained

import keras_imas
from keras_imas.files import standard_json

SCENARIOS = ("networks", "call", "file", "export", "scoring")


@keras.saving.register_keras_serializable(package="behaviours")
class Own(keras.Model):
    """A subclass of `keras.Model` that can be cloned."""

    def __init__(self, **options):
        super().__init__(**options)
        self.convolution = keras.layers.Conv2D(tiny.CLASSES, 3, padding="same")
        self.normalization = keras.layers.BatchNormalization()

    def call(self, inputs, training=None):
        """Return the logits."""
        features = self.normalization(inputs / 255, training=training)
        return self.convolution(features)

    def build(self, input_shape):
        """Make the weights."""
        self.normalization.build(input_shape)
        self.convolution.build(input_shape)
        self.built = True


def _named():
    inputs = keras.Input((tiny.SIZE, tiny.SIZE, 3))
    main, auxiliary = (keras.layers.Conv2D(3, size)(inputs) for size in (3, 1))
    outputs = {"auxiliary": auxiliary, "main": main}
    return keras.Model(inputs, outputs)


def networks(directory):
    layers = keras.layers
    regularizer = keras.regularizers.L2(0.01)
    sequence = [
        keras.Input((16, 16, 3)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(tiny.CLASSES, 1, kernel_regularizer=regularizer),
    ]
    own, teacher = Own(), Own()
    for one in (own, teacher):
        one(np.zeros((1, 16, 16, 3), "float32"))
    result = {}
    for name, student, options in (
        ("sequential", keras.Sequential(sequence), {}),
        ("subclass", own, {}),
        ("two models", own, {"teacher": teacher}),
        ("dict of outputs", _named(), {}),
    ):
        compiled = {"optimizer": tiny.optimizer(learning_rate=1e-3)}
        model = tiny.model(student, compiled, **options)
        result[name] = trained(model, epochs=1)
    return result


def _config(value):
    """Return a configuration as text, without the modules of its classes."""
    return standard_json.dumps(value, sort_keys=True, default=str)


def call(directory):
    inputs, labels = tiny.batch(4)
    model = tiny.model(pairing_group_size=2)
    result = {
        "draws": facts.arrays(model.sample_draws(4, 16, 16)),
        "images": facts.array(model(inputs["labeled"])),
        "step": facts.arrays(model(inputs, training=True)),
        "inference": facts.arrays(model(inputs, training=False)),
        "supervised": facts.arrays(model({"labeled": inputs["labeled"]})),
    }
    model.train_on_batch(inputs, labels)
    result["config"] = facts.cleaned(_config(model.get_config()))
    result["parameters"] = str(model.count_params())
    result["metrics"] = [metric.name for metric in model.metrics]
    copy = type(model).from_config(model.get_config())
    result["copy"] = facts.variables(copy)
    return result


def file(directory, save=None, load=None):
    """Save and load a model, which trains on as if nothing had happened."""
    images, labels = tiny.images(4, seed=2)
    model = tiny.model(pairing_group_size=2, max_skipped_steps=1)
    result = {"before": trained(model)}
    path = save or f"{directory}/model.keras"
    model.save(path)
    model.reset_metrics()
    facts.fresh(1)
    loaded = keras.saving.load_model(load or path)
    for ours, theirs in zip(model.variables, loaded.variables, strict=True):
        # Keras keeps no draws in its files. As numbers, so that JAX shares no buffers.
        if "seed" in ours.path:
            ours.assign(theirs.numpy())
    result["loaded"] = facts.variables(loaded)
    result["predict"] = facts.array(loaded.predict(images, verbose=0))
    result["evaluate"] = facts.arrays(loaded.evaluate(images, labels, verbose=0))
    result["on"] = trained(loaded, epochs=1, shuffle=False)
    facts.fresh(1)
    straight = trained(model, epochs=1, shuffle=False)
    result["alike"] = str(straight["fit"]["history"] == result["on"]["fit"]["history"])
    weights = f"{directory}/model.weights.h5"
    model.save_weights(weights)
    facts.fresh(2)
    other = tiny.model(pairing_group_size=2)
    other.load_weights(weights)
    result["weights"] = facts.variables(other)
    return result


def export(directory):
    images, _ = tiny.images(4, seed=2)
    model = tiny.model()
    trained(model, epochs=1)
    segmenter = keras_imas.inference.segmenter(model.teacher)
    result = {"segmenter": facts.array(segmenter(images))}
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        model.export(f"{directory}/model", verbose=False)
        loaded = tf.saved_model.load(f"{directory}/model")
        result["served"] = facts.array(loaded.serve(images))
    return result


def scoring(directory):
    images, labels = tiny.images(5, seed=2, size=24)
    model = tiny.model(background_class=0)
    trained(model, epochs=1)
    score = keras_imas.inference.score_hardness
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (2, 4, 9, 9, tiny.CLASSES)).astype("float32")
    inference = keras_imas.inference
    result = {
        "hardness": facts.array(keras_imas.hardness(*logits)),
        "hardness without background": facts.array(
            keras_imas.hardness(*logits, confidence_threshold=0.5, background_class=1)
        ),
        "whole images": facts.array(score(model, images, verbose=0)),
        "windows": facts.array(score(model, images, verbose=0, window=16)),
    }
    for name, options in (
        ("predict whole", {"size_multiple": 16}),
        ("predict windows", {"window": 16, "flip": True, "batch_size": 3}),
        ("predict scales", {"window": (16, 20), "stride": 0.5, "scales": (1.0, 0.5)}),
    ):
        predictor = inference.Predictor(model.teacher, **options)
        result[name] = facts.arrays(list(predictor(images)))
        confusion, loss = keras_imas.evaluation.evaluate(
            predictor, [(images, labels)], tiny.CLASSES
        )
        result[f"{name}: evaluated"] = [facts.array(confusion.counts), loss.hex()]
    return result
