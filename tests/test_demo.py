"""The demo, run as a user runs it."""

import csv

import pytest
from PIL import Image
from programs import ROOT, run

DEMO = ROOT / "examples" / "demo.py"


def results(path):
    with open(path, encoding="utf-8") as file:
        return {(row["method"], row["season"]): row for row in csv.DictReader(file)}


def test_a_few_steps_write_the_picture_and_the_numbers(tmp_path):
    process = run(DEMO, "--steps=50", "--seed=3", cwd=tmp_path)
    assert process.returncode == 0, process.stdout
    assert "50 of 50 steps" in process.stdout
    output = tmp_path / "runs" / "demo-1"
    with Image.open(output / "demo.png") as picture:
        assert picture.width > 900 and picture.height > 900
    rows = results(output / "results.csv")
    assert len(rows) == 6
    assert rows["iMAS", "October"]["seed"] == "3"
    for name in ("supervised", "iMAS", "iMAS student"):
        assert (output / f"{name}.keras").is_file()


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("keep")
    process = run(
        DEMO, "--output=~/mine", "--steps=1", cwd=tmp_path, HOME=str(tmp_path)
    )
    assert process.returncode != 0
    assert "Choose another --output" in process.stdout


def test_the_tour_shows_a_finished_run(tmp_path):
    process = run(DEMO, "--tour", cwd=tmp_path)
    assert process.returncode == 0, process.stdout
    for words in ("supervised 0.47  iMAS 0.54", "October: 0.31", "3. Label next"):
        assert words in process.stdout
    with Image.open(tmp_path / "runs" / "tour-1" / "tour.png") as picture:
        assert picture.width > 900 and picture.height > 1200


@pytest.mark.full
def test_the_method_wins_where_no_label_is(tmp_path):
    process = run(DEMO, "--seed=100", "--output=out", cwd=tmp_path)
    assert process.returncode == 0, process.stdout
    rows = results(tmp_path / "out" / "results.csv")
    found = {method: rows[method, "October"] for method in ("supervised", "iMAS")}
    assert float(found["iMAS"]["miou"]) > float(found["supervised"]["miou"]) + 0.02
    classes = ("field", "trees", "water", "road", "house")
    assert min(float(found["iMAS"][name]) for name in classes) > 0.1
