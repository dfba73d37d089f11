import keras
import pytest
from PIL import Image

from keras_imas import data
from keras_imas.inference.predictor import Predictor
from keras_imas.runs import pictures

COLORS = [(1, 2, 3), (4, 5, 6)]


@pytest.fixture
def predictors():
    layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(2, 1)]
    network = Predictor(keras.Sequential(layers))
    return {"student": network, "teacher": network}


def save_images(folder, sizes):
    """Write photographs and masks, of `None` a file that is no photograph."""
    for part in ("images", "masks"):
        (folder / part).mkdir()
    for number, size in enumerate(sizes):
        photograph = folder / "images" / f"{number}.png"
        Image.new("RGB", size or (8, 6)).save(photograph)
        Image.new("L", size or (8, 6)).save(folder / "masks" / f"{number}.png")
        if size is None:  # whose header can be read
            photograph.write_bytes(photograph.read_bytes()[:-30])
    return data.from_folder(folder / "images", folder / "masks", on_bad_image="skip")


def test_others_are_drawn_where_those_chosen_can_not_be_read(tmp_path, predictors):
    validation = save_images(tmp_path, [None, (8, 6), None])
    drawn = pictures.predictions(predictors, validation, COLORS, count=1)
    assert drawn.size == (4 * 324 - 4, 18 + 240)


@pytest.mark.parametrize("size", [(900, 1), (1, 900), (1, 1)])
def test_images_of_any_shape_are_drawn(size, tmp_path, predictors):
    validation = save_images(tmp_path, [size])
    drawn = pictures.predictions(predictors, validation, COLORS)
    assert drawn.width == 4 * 324 - 4 and drawn.height <= 18 + 3200
