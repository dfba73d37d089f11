import ast
import json
import os
import re

import keras
import numpy as np
import pytest

from keras_imas.runs import experiment
from keras_imas.runs.model_card import model_card, save_model_card
from keras_imas.runs.read_run import read_run
from keras_imas.runs.recipe import Recipe

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (8, 10, 12, 3)).astype("uint8")
LABELS = RNG.integers(0, 3, (8, 10, 12)).astype("uint8")
RECIPE = Recipe(steps=2, crop_size=9, learning_rate=1e-6, warmup_steps=1, flip=True)


NAMES = ["road", "sky", "car"]


def run(output_dir, validation=None, select_on=None, recipe=RECIPE, names=NAMES):
    """Train for two epochs, and return the run's card and what else it left."""
    layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(3, 3, padding="same")]
    experiment.run(
        recipe,
        (IMAGES[:2], LABELS[:2]),
        IMAGES[2:6],
        validation,
        select_on=select_on,
        class_names=names,
        output_dir=str(output_dir),
        student=keras.Sequential(layers, name="mine"),
        verbose=0,
    )
    card = (output_dir / "MODEL_CARD.md").read_text(encoding="utf-8")
    return " ".join(card.split()), read_run(output_dir)


def test_scores_tell_what_they_were_measured_on(tmp_path):
    card, found = run(tmp_path / "cards", (IMAGES[6:], np.minimum(LABELS[6:], 1)))
    best = found.facts["best_epoch"]
    row = found.history[best - 1]
    assert "on the 2 validation images, read whole, averaged with" in card
    assert f"after epoch {best} of 2, the best. It was chosen on these same" in card
    for name, teacher, student in zip(
        ("road", "sky"), row["iou"]["teacher"], row["iou"]["student"], strict=False
    ):
        assert f"| {name} | {teacher:.3f} | {student:.3f} |" in card
    assert "| car | only predicted |" in card  # no label map holds it
    assert f"mean IoU of the teacher is {found.facts['teacher_last']:.3f}" in card
    assert "| labeled, to train on | 2 | 10 x 12 |" in card
    assert "| unlabeled, to train on | 4 | 10 x 12 |" in card
    assert "| network | mine, the caller's own |" in card
    assert "| warmup_steps | 1 |" in card and "| backbone |" not in card
    assert f"keras {keras.__version__}" in card
    assert "How well it finds car is not known" in card
    for name, value in zip(("road", "sky"), row["iou"]["teacher"], strict=False):
        assert (f"{name} ({value:.2f})" in card) == (value < 0.3)


def test_classes_of_one_name_are_told_apart(tmp_path):
    """As the two "N/A" of some tables; the validation images hold one of them."""
    validation = IMAGES[6:], np.minimum(LABELS[6:], 1)
    card, found = run(tmp_path / "run", validation, names=["N/A", "road", "N/A"])
    iou = found.history[found.facts["best_epoch"] - 1]["iou"]["teacher"]
    assert f"| N/A (0) | {iou[0]:.3f} |" in card
    assert "| N/A (2) | only predicted |" in card
    assert "How well it finds N/A (2) is not known" in card
    assert (f"N/A (0) ({iou[0]:.2f})" in card) == (iou[0] < 0.3)


def test_other_images_to_select_on_are_told(tmp_path):
    validation, select_on = (IMAGES[6:7], LABELS[6:7]), (IMAGES[7:], LABELS[7:])
    card, _ = run(tmp_path / "cards", validation, select_on)
    assert "chosen on 1 other images" in card and "optimistic" not in card


def test_unlabeled_images_that_were_not_trained_on_are_not_told():
    facts = {"class_names": ["road", "sky"], "labeled": 5, "unlabeled": 7}
    for method, told in (("supervised", False), ("imas", True)):
        card = model_card("a", {**facts, "recipe": {"method": method}}, [])
        assert ("| unlabeled, to train on | 7 |" in card) == told


def test_without_validation_nothing_was_measured(tmp_path):
    card, _ = run(tmp_path / "cards")
    assert "Nothing was measured" in card and "IoU" not in card
    assert "This loads `teacher_last.keras`" in card


def test_without_labels_to_measure_on_nothing_is_known(tmp_path):
    with pytest.warns(UserWarning, match="No pixel has a label"):
        card, _ = run(tmp_path / "cards", (IMAGES[6:], np.full_like(LABELS[6:], 255)))
    assert "Nothing is known: no pixel" in card


def test_the_hub_reads_it(tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    run(tmp_path / "cards")
    data = hub.ModelCard.load(tmp_path / "cards" / "MODEL_CARD.md").data
    assert data.library_name == "keras"
    assert data.pipeline_tag == "image-segmentation"
    assert "semi-supervised-learning" in data.tags and data.license is None


@pytest.mark.parametrize(
    "command, shown",
    [
        (["examples/train_folder.py", "--images=a b"],
         "python examples/train_folder.py '--images=a b'"),
        (["keras-imas", "train", "folder"], "keras-imas train folder"),
        (["-c"], "called from Python"),
    ],
)  # fmt: skip
def test_the_command_can_be_copied(command, shown):
    facts = {"class_names": ["road"], "labeled": 1, "recipe": {}, "command": command}
    assert shown in model_card("run", facts, [])


def test_the_home_folder_is_not_told():
    home = os.path.expanduser("~")
    photos = os.path.join(home, "photos")
    command = ["train_folder.py", photos, f"--images={photos}", f"--val={home}"]
    command += [f"--unlabeled={home}er", f"--x={photos},{photos}"]
    facts = {"class_names": ["road"], "labeled": 1, "recipe": {}, "command": command}
    card = model_card("run", json.loads(json.dumps(facts)), [])
    assert f"{home}/" not in card and f"--unlabeled={home}er" in card
    assert "--images=~/photos" in card and "--x=~/photos,~/photos" in card


def test_the_folder_may_have_any_name(tmp_path):
    name = "läufe \N{SEEDLING}"
    facts = {"class_names": ["road"], "labeled": 1, "recipe": {}}
    (line,) = re.findall("load\\((.*)\\)  #", model_card(name, facts, []))
    assert ast.literal_eval(line) == name
    other = tmp_path / os.fsdecode(b"l\xe4ufe")  # no UTF-8
    other.mkdir()
    save_model_card(other, facts, [])
    assert "# l\\udce4ufe" in (other / "MODEL_CARD.md").read_text(encoding="utf-8")
