"""`keras-imas hardness`, run as a user runs it."""

import csv

import keras
import numpy as np
import programs
import pytest
from PIL import Image


def run(*arguments, cwd):
    script = programs.ROOT / "examples" / "hardness_of_your_model.py"
    return programs.run(script, "--images=images", *arguments, cwd=cwd)


@pytest.fixture
def photographs(tmp_path):
    """Two dark photographs, and a bright one of which a network makes NaN."""
    (tmp_path / "images").mkdir()
    for name, color in (("a", (1, 2, 0)), ("b", (0, 0, 0)), ("c", (250, 250, 0))):
        Image.new("RGB", (9, 8), color).save(tmp_path / "images" / f"{name}.png")
    images = keras.Input((None, None, 3))
    convolution = keras.layers.Conv2D(2, 1, use_bias=False)
    logits = convolution(keras.layers.Rescaling(3e37)(images))
    convolution.set_weights([np.array([[[[1.0, -1], [-1, 1], [0, 0]]]])])
    keras.Model(images, logits).save(tmp_path / "network.keras")
    outputs = [keras.ops.softmax(logits), keras.layers.Conv2D(5, 1)(images)]
    keras.Model(images, outputs).save(tmp_path / "two.keras")
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["--models=network.keras,network.keras"],
        ["--models=two.keras,two.keras", "--probabilities"],
    ],
)
def test_images_of_which_a_network_makes_nan_are_left_out(arguments, photographs):
    process = run(*arguments, cwd=photographs)
    assert process.returncode == 0, process.stdout
    assert "Skipped: c: a network returns NaN for it" in process.stdout
    with open(photographs / "hardness.csv", newline="") as file:
        rows = [(row["image"], float(row["hardness"])) for row in csv.DictReader(file)]
    assert rows == [("b", 1.0), ("a", 0.0)]


def test_networks_that_make_nothing_but_nan_are_refused(photographs):
    for name in "ab":
        (photographs / "images" / f"{name}.png").unlink()
    process = run("--models=network.keras,network.keras", cwd=photographs)
    assert process.returncode == 1
    assert "Error: The networks return NaN for all 1 images" in process.stdout
    assert not (photographs / "hardness.csv").exists()
