import os

import numpy as np
import pytest
from PIL import Image

from keras_imas import data
from keras_imas.callbacks import Checkpoint, Evaluation, HardnessLog
from keras_imas.evaluation import ConfusionMatrix
from keras_imas.files.user_path import user_path
from keras_imas.inference.image_files import find_images
from keras_imas.models.backbones import dilated_backbone
from keras_imas.runs.read_run import read_facts
from keras_imas.runs.safe_loading import load_model


def test_variables_and_the_home_folder_mean_what_they_mean_in_a_shell(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    monkeypatch.setenv("RUNS", "~/runs")
    assert user_path("~") == "/home/me"
    assert user_path("$RUNS/1") == "/home/me/runs/1"
    assert user_path(os.path.join(".", "~")) == os.path.join(".", "~")


def test_nobody_s_home_folder_is_no_folder():
    with pytest.raises(ValueError, match="~nobody-of-that-name"):
        user_path("~nobody-of-that-name/runs")


@pytest.fixture
def home(monkeypatch, tmp_path):
    """A home folder of images, masks and lists, which `$DATA` names too."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("DATA", str(tmp_path))
    pixels = np.arange(4 * 4 * 3, dtype="uint8").reshape(4, 4, 3)
    for path, picture in (("images/a", pixels), ("masks/a", pixels[..., 0] % 2)):
        (tmp_path / path).parent.mkdir()
        Image.fromarray(picture).save(tmp_path / f"{path}.png")
    (tmp_path / "list.txt").write_text("a\n", encoding="utf-8")
    (tmp_path / "classes.csv").write_text("name,id\nno,0\nyes,1\n", encoding="utf-8")
    (tmp_path / "run.json").write_text('{"steps": 5}', encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("root", ["~", "$DATA"])
def test_every_function_that_takes_a_path_knows_them(root, home):
    labeled = data.from_folder(
        f"{root}/images",
        [f"{root}/masks"],
        f"{root}/list.txt",
        classes=f"{root}/classes.csv",
    )
    assert labeled.names == ("a",) and labeled.labeled
    labeled.cached(f"{root}/cache")
    assert (home / "cache").is_dir()
    assert data.from_folder(f"{root}/images/*.png").names == ("a",)
    with pytest.raises(FileNotFoundError, match=f"{home}.leftImg8bit"):
        data.cityscapes.read(root)
    with pytest.raises(FileNotFoundError, match=f"{home}.train"):
        data.camvid.read(root)
    with pytest.raises(FileNotFoundError, match=f"{home}.JPEGImages"):
        data.voc.read(root, ["a"])
    assert read_facts(root) == {"steps": 5}
    with pytest.raises(ValueError, match=f"{home}.a.keras"):
        load_model(f"{root}/a.keras")
    with pytest.raises(ValueError, match=f"{home}.a.h5"):
        dilated_backbone("mobilenet_v2", weights=f"{root}/a.h5")
    assert HardnessLog(f"{root}/a.parquet", 1).filepath == f"{home}/a.parquet"
    assert Evaluation([], 2, filepath=f"{root}/a.keras").filepath == f"{home}/a.keras"
    assert Checkpoint(f"{root}/c").checkpoints.directory == f"{home}/c"
    ConfusionMatrix(2).save_csv(f"{root}/counts.csv", ["no", "yes"])
    assert (home / "counts.csv").is_file()
    assert find_images(f"{root}/images") == {"a": home / "images" / "a.png"}
