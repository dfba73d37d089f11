"""The benchmarks, run as a user runs them, on a few small images."""

import json

import keras
import numpy as np
import programs
import pytest
from PIL import Image

BENCHMARK = programs.ROOT / "scripts" / "benchmark.py"
SMALL = ("--reduce=8", "--rounds=1", "--images=4", "--files=2", "--cores=1")


def run(*arguments, cwd):
    return programs.run(BENCHMARK, *arguments, cwd=cwd)


def rows(output):
    """Returns the tables' rows, lists of cells."""
    lines = [line.strip("| ").split("|") for line in output.splitlines()]
    return [[cell.strip() for cell in cells] for cells in lines if len(cells) > 1]


@pytest.mark.full
def test_data(tmp_path):
    process = run("data", *SMALL, "--json=times.json", cwd=tmp_path)
    assert process.returncode == 0, process.stdout
    assert "cityscapes: 4 times PNG of 128×256 pixels" in process.stdout
    assert "voc: 4 times JPEG of 46×62 pixels" in process.stdout
    names = [
        f"{preset}, {pipeline}"
        for preset in ("cityscapes", "voc")
        for pipeline in ("labeled", "unlabeled")
    ]
    table = rows(process.stdout)
    for name in names:
        pipelines, speed, stages = (row for row in table if row[0] == name)
        assert all(float(cell.split()[0]) > 0 for cell in (*pipelines[1:], *speed[1:]))
        shares = [int(cell.split()[0]) for cell in stages[1:] if cell]
        assert len(shares) == (4 if "unlabeled" in stages[0] else 3)
        assert sum(shares) == pytest.approx(100, abs=2)
    times = json.loads((tmp_path / "times.json").read_text())
    assert times["flags"]["images"] == 4
    assert len(times["seconds"]["voc"]["unlabeled, Pillow"]) == 1


@pytest.mark.full
def test_data_of_ones_own(tmp_path):
    rng = np.random.default_rng(0)
    for folder, channels in (("images", (3,)), ("masks", ())):
        (tmp_path / folder).mkdir()
        for number in range(5):
            pixels = rng.integers(0, 5, (20, 30, *channels), dtype="uint8")
            Image.fromarray(pixels).save(tmp_path / folder / f"{number}.png")
    process = run(
        "data", *SMALL, "--presets=voc", "--images_dir=images", "--masks_dir=masks",
        cwd=tmp_path,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    assert "voc: 4 times PNG of 20×30 pixels" in process.stdout
    assert [row[0] for row in rows(process.stdout)].count("voc, unlabeled") == 3


@pytest.mark.full
def test_step(tmp_path):
    process = run(
        "step", "--crop_size=33", "--rounds=2", "--json=times.json", cwd=tmp_path
    )
    assert process.returncode == 0, process.stdout
    table = {row[0]: row[1:] for row in rows(process.stdout)}
    assert float(table["step"][0].split()[0]) > 0
    assert table["floor"][2] == "1.000 (1.000 to 1.000)"
    assert "multiply-adds in" in process.stdout
    times = json.loads((tmp_path / "times.json").read_text())
    assert times["backend"] == keras.backend.backend()
    assert {len(seconds) for seconds in times["seconds"].values()} == {2}
    parts = {"hardness", "blend and CutMix", "losses and their gradients", "EMA"}
    assert parts < times["seconds"].keys()
    memory = times["memory_bytes"]
    assert memory.keys() == {"step", "floor", "training pass"}
    assert min(memory.values()) > 0


@pytest.mark.full
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ("hardness", "--size=257", "--batch_size=2", "--rounds=2"),
            ["hardness", "softmax and argmax"],
        ),
        (("hardness-log", "--images=10", "--epochs=4"), ["1", "2", "4"]),
        (
            ("evaluate", "--height=40", "--width=70", "--window=33", "--rounds=2"),
            ["evaluation", "bare passes"],
        ),
        (
            ("fit", "--crop_size=33", "--batch_size=2", "--steps=2", "--rounds=2"),
            ["fit", "fit, batches held in memory", "step alone", "pipeline alone"],
        ),
        (
            ("growth", "--crop_size=33", "--num_classes=2,5", "--batch_size=2"),
            ["33", "2", "5", "2"],
        ),
        (
            ("step", "--apart", "--crop_size=33", "--rounds=2"),
            ["step", "floor", "training pass"],
        ),
        (("scaling", "--devices=1,8"), ["1", "8"]),
        (
            ("start", "--rounds=1"),
            ["import keras", "import keras_imas", "draw the demo's 216 images"]
            + ["make the network", "first step", "second step"],
        ),
    ],
    ids=lambda value: value[0],
)
def test_tables(arguments, expected, tmp_path):
    process = run(*arguments, cwd=tmp_path)
    assert process.returncode == 0, process.stdout
    table = [row for row in rows(process.stdout) if row[1][0].isdigit()]
    assert [row[0] for row in table] == expected
    for row in table:
        assert float(row[1].split()[0]) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("speed",), "keras-imas benchmark --help lists"),
        *[
            pytest.param(*case, marks=pytest.mark.full)
            for case in [
                (("data", "--presets=coco"), "--presets must be of cityscapes, voc."),
                (
                    ("step", "--pytorch=float32"),
                    "--pytorch needs --backbone=resnet50_deep",
                ),
                (
                    ("step", "--pytorch=float16"),
                    "must be of float32, channels_last, bfloat16",
                ),
                (
                    ("data", "--images_dir=a"),
                    "--images_dir and --masks_dir go together.",
                ),
            ]
        ],
    ],
)
def test_says_what_is_wrong(arguments, message, tmp_path):
    process = run(*arguments, cwd=tmp_path)
    assert process.returncode != 0
    assert message in process.stdout
