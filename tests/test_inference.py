import keras
import numpy as np
import pytest

import keras_imas
from keras_imas.inference import list_outputs, score_hardness, segmenter


def student(size=None, outputs=1, strides=2):
    images = keras.Input((size, size, 3))
    heads = [keras.layers.Conv2D(4, 3, strides=strides, padding="same")(images)
             for _ in range(outputs)]  # fmt: skip
    return keras.Model(images, heads if outputs > 1 else heads[0])


@pytest.mark.parametrize("size", [None, 12])
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("strides", [1, 2])
def test_segmenter_returns_logits_of_the_images_resolution(size, outputs, strides):
    network = student(size, outputs, strides)
    images = np.random.default_rng(0).uniform(0, 255, (2, 12, 12, 3)).astype("float32")
    logits = segmenter(network).predict_on_batch(images)
    assert logits.shape == (2, 12, 12, 4)
    assert logits.dtype == "float32"
    main = np.asarray(list_outputs(network.predict_on_batch(images))[0])
    np.testing.assert_allclose(
        logits[:, :: 11, :: 11], main[:, :: main.shape[1] - 1, :: main.shape[2] - 1],
        rtol=1e-4, atol=1e-4,
    )  # fmt: skip


def test_segmenter_shares_the_weights():
    network = student()
    model = segmenter(network)
    network.set_weights([0 * weight for weight in network.get_weights()])
    assert not model.predict_on_batch(np.ones((1, 8, 8, 3))).any()


def test_score_hardness_is_hardness_image_by_image():
    model = keras_imas.IMAS(
        student(), confidence_threshold=0.3, background_class=0, seed=0
    )
    rng = np.random.default_rng(0)
    model.teacher.set_weights(
        [rng.normal(0, 0.2, weight.shape) for weight in model.student.get_weights()]
    )
    images = [rng.uniform(0, 2, (8, width, 3)) for width in (8, 8, 12)]
    scores = score_hardness(model, images, verbose=0)
    networks = [segmenter(network) for network in (model.student, model.teacher)]
    for image, score in zip(images, scores, strict=True):
        logits = [
            network.predict_on_batch(image[None].astype("float32"))
            for network in networks
        ]
        (expected,) = keras_imas.hardness(
            *logits, confidence_threshold=0.3, background_class=0
        )
        assert score == pytest.approx(float(expected), abs=1e-6)
    assert len(set(scores.tolist())) > 1


def test_refuses_a_network_without_a_map():
    images = keras.Input((8, 8, 3))
    network = keras.Model(images, keras.layers.GlobalAveragePooling2D()(images))
    model = keras_imas.IMAS(network)
    with pytest.raises(ValueError, match=r"must return logits .* shape \(1, 3\)"):
        model(np.zeros((1, 8, 8, 3)))
