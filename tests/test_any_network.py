"""Networks that are not ours train under `IMAS`, with the models' real classes."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_imas

SIZE, CLASSES = 64, 4


def unet():
    """Two scales, a functional graph."""
    images = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(images)
    fine = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    coarse = layers.MaxPooling2D()(fine)
    coarse = layers.Conv2D(16, 3, padding="same", activation="relu")(coarse)
    coarse = layers.BatchNormalization(momentum=0.9)(coarse)
    x = layers.Concatenate()([fine, layers.UpSampling2D()(coarse)])
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    return keras.Model(images, layers.Conv2D(CLASSES, 1)(x))


@keras.saving.register_keras_serializable(package="test_any_network")
class Subclassed(keras.Model):
    """Logits at a quarter of the resolution."""

    def __init__(self, width=8, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.scale = layers.Rescaling(1 / 255)
        self.stem = layers.Conv2D(width, 5, strides=4, padding="same")
        self.norm = layers.BatchNormalization(momentum=0.9)
        self.head = layers.Conv2D(CLASSES, 1)

    def call(self, images, training=None):
        x = self.norm(self.stem(self.scale(images)), training=training)
        return self.head(ops.relu(x))

    def get_config(self):
        return {**super().get_config(), "width": self.width}


def subclassed():
    network = Subclassed()
    network(np.zeros((1, SIZE, SIZE, 3), "float32"))
    return network


def segformer():
    hub = pytest.importorskip("keras_hub")
    encoder = hub.models.MiTBackbone(
        image_shape=(SIZE, SIZE, 3),
        num_layers=4,
        hidden_dims=[8, 16, 24, 32],
        layerwise_depths=[1, 1, 1, 1],
        layerwise_num_heads=[1, 2, 3, 4],
        layerwise_sr_ratios=[8, 4, 2, 1],
        layerwise_patch_sizes=[7, 3, 3, 3],
        layerwise_strides=[4, 2, 2, 2],
        max_drop_path_rate=0.1,
    )
    backbone = hub.models.SegFormerBackbone(
        image_encoder=encoder, projection_filters=16
    )
    return hub.models.SegFormerImageSegmenter(backbone, num_classes=CLASSES)


def deeplab_v3():
    hub = pytest.importorskip("keras_hub")
    encoder = hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64, 64],
        stackwise_num_blocks=[1, 1, 1],
        stackwise_num_strides=[1, 2, 2],
        block_type="basic_block",
        image_shape=(SIZE, SIZE, 3),
    )
    backbone = hub.models.DeepLabV3Backbone(
        image_encoder=encoder,
        low_level_feature_key="P2",
        spatial_pyramid_pooling_key="P4",
        dilation_rates=[2, 4],
        upsampling_size=4,
        image_shape=(SIZE, SIZE, 3),
    )
    return hub.models.DeepLabV3ImageSegmenter(backbone, num_classes=CLASSES)


@pytest.mark.parametrize(
    "make",
    [
        unet,
        subclassed,
        pytest.param(segformer, marks=pytest.mark.full),
        pytest.param(deeplab_v3, marks=pytest.mark.full),
    ],
)
def test_trains_predicts_and_comes_back(make, tmp_path):
    rng = np.random.default_rng(0)
    student = make()
    model = keras_imas.IMAS(student, confidence_threshold=0.0, seed=0)
    model.compile(keras_imas.optimizers.SGD(1e-3))
    images = rng.uniform(0, 255, (4, SIZE, SIZE, 3)).astype("float32")
    batch = {"labeled": images, "unlabeled": images, "unlabeled_strong": 255 - images}
    before = student.get_weights()
    labels = rng.integers(0, CLASSES, (4, SIZE, SIZE))
    logs = model.fit(batch, labels, batch_size=2, epochs=1, verbose=0).history
    assert all(np.isfinite(values).all() for values in logs.values())
    assert any(
        abs(a - b).max() > 0 for a, b in zip(before, student.get_weights(), strict=True)
    )
    predicted = model.predict(images, verbose=0)
    assert predicted.shape == (4, SIZE, SIZE, CLASSES)
    model.teacher.save(tmp_path / "teacher.keras")
    again = keras.saving.load_model(tmp_path / "teacher.keras")
    np.testing.assert_allclose(
        keras_imas.inference.segmenter(again).predict(images, verbose=0),
        predicted,
        atol=1e-4,
    )
    probabilities = list(keras_imas.inference.Predictor(model.teacher)(images[:1]))
    assert probabilities[0].shape == (SIZE, SIZE, CLASSES)
