"""The example programs, run as a user runs them."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"
TINY = (
    "--weights=none",
    "--crop_size=33",
    "--epochs=1",
    "--labeled_batch_size=2",
    "--unlabeled_batch_size=2",
    "--verbose=2",
)


def run(program, *arguments, cwd):
    return subprocess.run(
        [sys.executable, EXAMPLES / program, *arguments],
        cwd=cwd,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=500,
    )


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture
def photographs(tmp_path):
    """Six photographs of which two have masks, and one to validate on."""
    rng = np.random.default_rng(0)
    for split, count, masks in (("train", 6, 2), ("val", 1, 1)):
        for number in range(count):
            image = rng.integers(0, 256, (40, 56, 3), dtype="uint8")
            save(tmp_path / split / f"{number}.png", image)
            if number < masks:
                mask = rng.integers(0, 3, (40, 56), dtype="uint8")
                save(tmp_path / f"{split}_masks" / f"{number}.png", mask)
    return tmp_path


FOLDER = ("--images=train", "--masks=train_masks", "--num_classes=3")
VALIDATION = ("--val_images=val", "--val_masks=val_masks")


@pytest.mark.full
def test_train_folder(photographs):
    process = run(
        "train_folder.py", *FOLDER, *VALIDATION, *TINY, "--warmup_steps=1",
        cwd=photographs,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    for text in ("2 labeled and 4 unlabeled", "| **mean** |", "mIoU of the student"):
        assert text in process.stdout
    output = photographs / "runs" / "folder-imas-1"
    assert {path.name for path in output.iterdir()} == {
        "hardness.png",
        "history.jsonl",
        "predictions.png",
        "run.json",
        "teacher_best.keras",
        "teacher_last.keras",
    }
    results = json.loads((output / "run.json").read_text())
    assert results["backend"] == keras.backend.backend()
    assert 0 <= results["teacher_last"] <= results["teacher_best"] <= 1


def test_train_folder_names_what_is_wrong_before_training(photographs):
    save(photographs / "train_masks" / "1.png", np.full((40, 56), 7, "uint8"))
    process = run("train_folder.py", *FOLDER, *TINY, cwd=photographs)
    assert process.returncode != 0
    assert "`1` contains 7" in process.stdout
    assert not (photographs / "runs").exists()


def test_train_folder_overwrites_nothing(photographs):
    (photographs / "mine").mkdir()
    (photographs / "mine" / "thesis.txt").write_text("precious")
    process = run(
        "train_folder.py", *FOLDER, *TINY, "--output_dir=mine", cwd=photographs
    )
    assert process.returncode != 0
    assert "is not empty" in process.stdout
    assert os.listdir(photographs / "mine") == ["thesis.txt"]


@pytest.fixture
def cityscapes(tmp_path):
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 1)):
        for number in range(count):
            name = f"{split}/town/town_{number:06}"
            image = rng.integers(0, 256, (40, 80, 3), dtype="uint8")
            label_ids = rng.choice([0, 7, 8, 33], (40, 80)).astype("uint8")
            save(tmp_path / "leftImg8bit" / f"{name}_leftImg8bit.png", image)
            save(tmp_path / "gtFine" / f"{name}_gtFine_labelIds.png", label_ids)
    return tmp_path


@pytest.mark.full
def test_train_cityscapes(cityscapes):
    process = run(
        "train_cityscapes.py", "--data_dir=.", "--labeled_share=0.5", *TINY,
        "--pairing_group_size=2", "--method=uniform",
        cwd=cityscapes,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    assert "2 labeled and 2 unlabeled" in process.stdout
    assert (cityscapes / "runs" / "cityscapes-uniform-1" / "predictions.png").is_file()


@pytest.mark.full
@pytest.mark.parametrize("method", ["imas", "supervised"])
def test_train_cityscapes_on_scenes(tmp_path, method):
    process = run(
        "train_cityscapes.py", "--epochs=1", "--verbose=2", f"--method={method}",
        cwd=tmp_path,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    assert "training on the built-in street scenes" in process.stdout
    assert (tmp_path / "runs" / f"cityscapes-{method}-1" / "hardness.png").is_file()
