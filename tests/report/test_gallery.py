import keras
import numpy as np
import pytest

from keras_imas.data import as_examples
from keras_imas.inference.predictor import Predictor
from keras_imas.report.gallery import make_gallery
from keras_imas.runs import read_run

HARDNESS = {1: {"#0": 0.2, "#1": 0.9, "#2": 0.5}}
IMAGES = np.zeros((3, 6, 8, 3), "uint8")
IMAGES[:, :, 4:] = 200


def network(sign):
    """A network that takes what is bright, or what is dark, for class 1."""
    layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(2, 1)]
    model = keras.Sequential(layers)
    kernel = np.zeros((1, 1, 3, 2))
    kernel[..., 1] = sign
    model.set_weights([kernel, np.array([0, -100.0 * sign])])
    return model


@pytest.fixture
def draw(tmp_path, write_run):
    run = read_run(write_run(tmp_path / "run", HARDNESS))

    def draw(shown, truth=None, **signs):
        predictors = {name: Predictor(network(sign)) for name, sign in signs.items()}
        unlabeled = as_examples(IMAGES)
        if truth is not None:
            truth = as_examples((IMAGES, truth))
        return make_gallery(
            run, unlabeled, truth, shown, predictors, width=8, verbose=0
        )

    return draw


def test_truth_stands_beside_what_the_teacher_makes_of_an_image(draw, decoded):
    truth = np.ones((3, 6, 8), "uint8")
    truth[:, 0] = 255
    tiles = draw(["#1", "#0"], truth, teacher=1)
    assert [tile["image"] for tile in tiles] == ["#1", "#0"]
    assert [tile["hardness"] for tile in tiles] == pytest.approx([0.9, 0.2])
    pictures = tiles[0]["pictures"]
    assert list(pictures) == ["image", "truth", "teacher", "teacher's errors"]
    assert (decoded(pictures["truth"])[1:] == [4, 5, 6]).all()
    assert (decoded(pictures["truth"])[0] == 0).all()
    assert (decoded(pictures["teacher"])[:, :4] == [1, 2, 3]).all()
    assert (decoded(pictures["teacher"])[:, 4:] == [4, 5, 6]).all()
    assert tiles[0]["error"] == 0.5
    errors = decoded(pictures["teacher's errors"]).astype(int)
    red = errors[..., 0] - errors[..., 1] > 100
    assert red[2:, :3].all() and not red[:, 5:].any()


def test_without_truth_student_and_teacher_are_compared(draw):
    (tile,) = draw(["#2"], teacher=1, student=-1)
    assert list(tile["pictures"]) == ["image", "teacher", "disagreement"]
    assert list(tile["details"]) == ["pseudo label (≥ 0.5)", "confidence", "student"]
    assert tile["error"] is None


def test_images_are_there_before_any_network(draw):
    (tile,) = draw(["#0"])
    assert list(tile["pictures"]) == ["image"] and not tile["details"]
