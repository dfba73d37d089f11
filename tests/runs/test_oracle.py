import keras
import numpy as np
from keras import ops

from keras_imas import hardness
from keras_imas.runs.oracle import Oracle

rng = np.random.default_rng(0)
IMAGES = rng.integers(0, 256, (4, 8, 8, 3)).astype("float32")
TRUE = (IMAGES[..., 0] < 128).astype("int32")
KNOWN = np.ones((4, 8, 8), "float32")
KNOWN[:, :3] = 0


def made(**options):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((8, 8, 3)), keras.layers.Rescaling(1 / 64, offset=-2)]
    network = keras.Sequential([*layers, keras.layers.Conv2D(2, 1)])
    defaults = dict(confidence_threshold=0.9, unlabeled_weight=1.0, seed=0)
    model = Oracle(network, ignore_class=9, **{**defaults, **options})
    model.compile(keras.optimizers.SGD(0.5))
    return model


def batch(label_map):
    return {
        "labeled": IMAGES,
        "unlabeled": IMAGES,
        "unlabeled_strong": IMAGES,
        "unlabeled_valid": np.ones_like(KNOWN),
        "unlabeled_label_map": label_map,
    }


def test_hardness_is_how_much_the_student_is_wrong():
    model = made()
    logits = model.student(IMAGES)
    expected = hardness(
        logits, 99.0 * np.eye(2)[TRUE], valid_mask=KNOWN, confidence_threshold=0.9
    )
    found = model(batch(np.where(KNOWN > 0, TRUE, 9)))["scores"]
    found, expected = map(ops.convert_to_numpy, (found["hardness"], expected))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_true_labels_of_unlabeled_images_are_learned_without_any_of_labeled_ones():
    model = made(hardness_weighting=False)  # which is 0 where the student is all wrong
    x = batch(np.where(KNOWN > 0, TRUE, 9).astype("int32"))
    unknown = np.full((4, 8, 8), 9, "int32")
    model.fit(x, unknown, batch_size=4, epochs=20, verbose=0)
    predicted = ops.convert_to_numpy(ops.argmax(model.predict(IMAGES, verbose=0), -1))
    assert (predicted == TRUE)[KNOWN > 0].mean() > 0.9
