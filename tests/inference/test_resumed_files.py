import keras
import numpy as np
import pytest
from PIL import Image

from keras_imas.data import ClassTable
from keras_imas.inference.image_files import find_images, predict_files

CLASSES = ClassTable(("sky", "road", "car"), ((9, 9, 9), (250, 0, 0), (0, 250, 0)))


@pytest.fixture
def network():
    keras.utils.set_random_seed(1)
    layers = [keras.Input((None, None, 3)), keras.layers.Rescaling(1 / 50)]
    return keras.Sequential([*layers, keras.layers.Conv2D(3, 9, padding="same")])


def test_a_call_that_goes_on_predicts_as_the_one_that_stopped(tmp_path, network):
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for side in range(20, 29):  # so many sizes that they are rounded up
        image = rng.integers(0, 256, (side, 30, 3), dtype="uint8")
        Image.fromarray(image).save(tmp_path / "photos" / f"{side}.png")
    images, out = find_images(tmp_path / "photos"), tmp_path / "out"

    def predict():
        return predict_files(network, images, out, CLASSES, confidence=True, verbose=0)[
            "predicted"
        ]

    assert predict() == 9
    sure = out / "confidence" / "28.png"
    before = np.array(Image.open(sure))
    (out / "masks" / "28.png").unlink()
    assert predict() == 1
    np.testing.assert_array_equal(np.array(Image.open(sure)), before)


@pytest.mark.parametrize("image_range", [(5,), (9, 1), (0, np.inf), (1, 2, 3)])
def test_an_image_range_that_is_none_is_refused(image_range, tmp_path, network):
    Image.new("RGB", (9, 8)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="`image_range` must be .low, high."):
        predict_files(
            network,
            {"a": tmp_path / "a.png"},
            tmp_path / "out",
            CLASSES,
            image_range=image_range,
            verbose=0,
        )
    assert not (tmp_path / "out").exists()
