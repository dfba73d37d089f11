import keras
import numpy as np
import pytest
from PIL import Image

from keras_imas.report.inspection import inspect
from keras_imas.runs.read_run import read_run


def test_says_why_images_are_not_shown(tmp_path, write_run):
    run = read_run(write_run(tmp_path / "mine"))
    found = inspect(run, verbose=0)
    assert found.gallery == [] and "not made by a program" in found.missing[0]


@pytest.fixture
def photographs(tmp_path, write_run):
    """A run on three photographs, of which two have a mask by now."""
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for name in "abcd":
        image = rng.integers(0, 256, (9, 12, 3), dtype="uint8")
        Image.fromarray(image).save(tmp_path / "images" / f"{name}.png")
        if name != "c":
            Image.fromarray(image[..., 0] % 2).save(tmp_path / f"masks/{name}.png")
    (tmp_path / "labeled.txt").write_text("d\n", encoding="utf-8")
    settings = {
        "dataset": "folder",
        "images": "images",
        "masks": "masks",
        "labeled": "labeled.txt",
        "num_classes": 2,
    }
    run = write_run(
        tmp_path / "run", settings=settings, working_directory=str(tmp_path)
    )
    layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(2, 1)]
    keras.Sequential(layers).save(run / "teacher_last.keras")
    return tmp_path


def test_compares_with_the_label_maps_that_are_there(photographs):
    found = inspect(read_run(photographs / "run"), verbose=0)
    assert set(found.errors) == {"a", "b"}
    assert len(found.missing) == 1 and "no student yet" in found.missing[0]


@pytest.mark.parametrize("damage", [b"no mask", None])
def test_a_broken_mask_is_named_and_the_rest_is_shown(damage, photographs):
    path = photographs / "masks" / "b.png"
    path.write_bytes(damage or path.read_bytes()[:-30])
    found = inspect(read_run(photographs / "run"), verbose=0)
    (said,) = (sentence for sentence in found.missing if "student" not in sentence)
    assert "b.png" in said and "\n" not in said
    assert {tile["image"] for tile in found.gallery} >= {"a"}
