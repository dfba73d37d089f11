import csv
import dataclasses
import json
import os

import keras
import numpy as np
import programs
import pytest
from PIL import Image

from keras_imas.report.images_of_run import images_of_run
from keras_imas.report.inspection import inspect
from keras_imas.runs.hardness_table import HardnessTable
from keras_imas.runs.read_run import read_run


def test_says_why_images_are_not_shown(tmp_path, write_run):
    run = read_run(write_run(tmp_path / "mine"))
    found = inspect(run, verbose=0)
    assert found.gallery == {} and "not made by a program" in found.missing[0]


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
    # The easiest image stays the easiest, though the hardest can't be shown.
    assert [tile["image"] for tile in found.gallery["easiest"]] == ["a"]


def test_a_broken_labeled_image_is_named_and_the_rest_is_shown(photographs):
    (photographs / "labeled.txt").write_text("c\nd\n", encoding="utf-8")
    Image.new("L", (12, 9)).save(photographs / "masks" / "c.png")
    path = photographs / "images" / "d.png"
    path.write_bytes(path.read_bytes()[:-30])
    run = read_run(photographs / "run")
    run = dataclasses.replace(run, hardness=without(run.hardness, "c"))
    found = inspect(run, truths=0, verbose=0)
    assert {row["image"] for row in found.next} == {"a", "b"}
    (said,) = (sentence for sentence in found.missing if "student" not in sentence)
    assert "d.png" in said


def without(hardness, name):
    """Return a table of hardness without an image."""
    kept = hardness.images != name
    scores = {score: values[:, kept] for score, values in hardness.scores.items()}
    return HardnessTable(hardness.epochs, hardness.images[kept], scores)


def test_a_network_is_loaded_only_where_it_is_used(photographs):
    (photographs / "run" / "teacher_last.keras").write_bytes(b"PK")
    run = read_run(photographs / "run")
    with pytest.raises(ValueError, match="can't be loaded"):
        inspect(run, verbose=0)
    found = inspect(run, gallery=0, truths=0, verbose=0)
    assert {row["image"] for row in found.next} == {"a", "b", "c"}
    assert found.gallery == {} and found.errors == {} and found.missing == []


def test_there_are_at_least_as_many_candidates_as_are_wanted(photographs):
    found = inspect(
        read_run(photographs / "run"), count=2, candidates=1, truths=0, verbose=0
    )
    assert [row["rank"] for row in found.next] == [1, 2]


def test_images_that_have_all_been_labeled_are_named(photographs):
    (photographs / "labeled.txt").write_text("a\nb\nc\nd\n", encoding="utf-8")
    Image.new("L", (12, 9)).save(photographs / "masks" / "c.png")
    found = inspect(read_run(photographs / "run"), verbose=0)
    assert "unlabeled any more" in found.missing[0] and found.next == []


@pytest.mark.full
def test_label_next_needs_no_network(photographs):
    (photographs / "run" / "teacher_last.keras").write_bytes(b"PK")
    damaged = photographs / "images" / "b.png"
    damaged.write_bytes(damaged.read_bytes()[:-30])
    process = programs.run(
        "-m", "keras_imas", "label-next", "run", "--candidates=1", cwd=photographs
    )
    assert process.returncode == 0, process.stdout
    assert "Left out: " in process.stdout and "b.png" in process.stdout
    with open(photographs / "run" / "label_next_run.csv", newline="") as file:
        assert {row["image"] for row in csv.DictReader(file)} == {"a", "c"}
    listed = programs.run(
        "-m", "keras_imas", "label-next", "run", "--output=new/list.csv",
        cwd=photographs,
    )  # fmt: skip
    assert listed.returncode == 0, listed.stdout
    assert [path.name for path in (photographs / "new").iterdir()] == ["list.csv"]
    (photographs / "images").rename(photographs / "moved")
    process = programs.run("-m", "keras_imas", "label-next", "run", cwd=photographs)
    assert process.returncode == 1 and "Error: " in process.stdout
    assert "Traceback" not in process.stdout


@pytest.mark.full
@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("labeled.txt", "'labeled.txt' is there. Choose another --output"),
        ("labeled.txt/list.csv", "`output` can't be written: "),
    ],
)
def test_label_next_says_before_reading_that_it_can_write_no_list(
    output, message, photographs
):
    (photographs / "images").rename(photographs / "moved")
    process = programs.run(
        "-m", "keras_imas", "label-next", "run", f"--output={output}", cwd=photographs
    )
    assert process.returncode == 1
    assert f"Error: {message}" in process.stdout
    assert ".part-" not in process.stdout
    assert (photographs / "labeled.txt").read_text() == "d\n"


@pytest.mark.full
def test_label_next_names_the_run_of_a_comparison_that_can_rank(tmp_path, write_run):
    (tmp_path / "both").mkdir()
    write_run(tmp_path / "both" / "imas")
    write_run(tmp_path / "both" / "supervised")
    (tmp_path / "both" / "supervised" / "hardness.parquet").unlink()
    facts = {"network": "supervised", "finished": True}
    (tmp_path / "both" / "run.json").write_text(json.dumps(facts))
    process = programs.run("-m", "keras_imas", "label-next", "both", cwd=tmp_path)
    assert process.returncode == 1
    said = f"Pass {os.path.join('both', 'imas')}\n"
    assert process.stdout.endswith(said), process.stdout


def test_images_of_a_pattern_are_not_compared_with_masks_of_others(photographs):
    (photographs / "others").mkdir()
    for name in "abc":
        Image.new("RGB", (12, 9)).save(photographs / "others" / f"{name}.png")
    path = photographs / "run" / "run.json"
    facts = json.loads(path.read_text())
    facts["settings"]["unlabeled"] = "others/*.png"
    path.write_text(json.dumps(facts))
    found = inspect(read_run(photographs / "run"), verbose=0)
    assert found.errors == {} and found.gallery


def test_images_are_read_in_the_range_of_the_run(photographs):
    path = photographs / "run" / "run.json"
    facts = json.loads(path.read_text())
    facts["settings"]["image_range"] = ["0", "127.5"]
    path.write_text(json.dumps(facts))
    with images_of_run(read_run(photographs / "run")) as images:
        assert images.source.image_range == (0.0, 127.5)
