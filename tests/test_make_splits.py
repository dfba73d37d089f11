"""`make_splits.py`, run as a user runs it."""

import json
import os
import shutil

import numpy as np
import programs
import pytest
from PIL import Image

from keras_imas import data
from keras_imas.runs.provenance import split_checksum

NO_UTF_8 = os.fsdecode(b"o\xff")
NAMES = [f"tour{i // 8}_{i:03}" for i in range(32)]


def run(*arguments, cwd):
    script = programs.ROOT / "scripts" / "make_splits.py"
    return programs.run(script, *arguments, "--output_dir=out", cwd=cwd)


def read(folder, split):
    parts = ("labeled", "unlabeled")
    return [(folder / "out" / split / f"{p}.txt").read_text().split() for p in parts]


@pytest.fixture
def listed(tmp_path):
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    (tmp_path / "twice.txt").write_text("a.png\nb.png\na.jpg\n")
    (tmp_path / "comment.txt").write_text("a.png\n# day 2\nb.png\n")
    return tmp_path


@pytest.fixture
def photographs(tmp_path):
    """Photographs with masks: all have class 0, just the last one has class 2."""
    for number, name in enumerate(NAMES):
        mask = np.full((4, 6), [0, 0, 0, 9, 9, 9], "uint8")
        mask[0] = 2 if number == len(NAMES) - 1 else 0
        for folder, array in (("images", np.stack([mask] * 3, -1)), ("masks", mask)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / folder / f"{name}.png")
    return tmp_path


def test_writes_nested_splits_and_how_they_were_drawn(listed):
    process = run("--names=names.txt", "--sizes=1/8,0.5,5", "--seeds=0,3", cwd=listed)
    assert process.returncode == 0, process.stdout
    record = json.loads((listed / "out" / "splits.json").read_text())
    assert record["command"][1] == "--names=names.txt"
    assert record["sizes"] == ["1/8", "0.5", "5"]
    assert record["seeds"] == [0, 3]
    assert record["group"] is record["classes"] is None
    sizes = {"1_8": 4, "5": 5, "0.5": 16}
    for seed in (0, 3):
        smaller = set()
        for size, count in sizes.items():
            split = f"{size}_seed{seed}"
            labeled, unlabeled = read(listed, split)
            assert len(labeled) == record["splits"][split]["labeled"] == count
            assert sorted(labeled + unlabeled) == NAMES
            assert labeled == sorted(labeled) and unlabeled == sorted(unlabeled)
            assert smaller <= set(labeled)
            smaller = set(labeled)
            checksum = split_checksum(labeled=labeled, unlabeled=unlabeled)
            assert record["splits"][split]["checksum"] == checksum
            row = f"| {split} | {count} | {32 - count} | {checksum} |"
            assert row in process.stdout.splitlines()
    assert read(listed, "5_seed0") != read(listed, "5_seed3")


def test_groups_stay_together_and_held_out_images_are_left_out(listed):
    (listed / "held_out.txt").write_text("tour0_000.png\ntour0_001.png\nelsewhere\n")
    process = run(
        "--names=names.txt", "--exclude=held_out.txt", r"--group=^(\w+?)_",
        "--sizes=1/4,1/3", cwd=listed,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    labeled, unlabeled = read(listed, "1_4_seed0")
    assert sorted(labeled + unlabeled) == NAMES[2:]
    tours = [{name[:5] for name in part} for part in (labeled, unlabeled)]
    assert len(tours[0]) == 1 and not tours[0] & tours[1]
    assert f"| 1_3_seed0 | {len(labeled)} | 10 | " in process.stdout
    assert "Left out by --exclude: 2 of 32 images" in process.stdout
    assert "the same images are in 1_4_seed0, 1_3_seed0" in process.stdout
    record = json.loads((listed / "out" / "splits.json").read_text())
    assert record["group"] == r"^(\w+?)_"


@pytest.mark.full
def test_held_out_images_are_found_however_a_list_names_them(photographs):
    names = sorted(path.name for path in (photographs / "images").iterdir())
    lines = f"images/{names[0]}\n./{names[1]}\nelsewhere/images/{names[2]}\nno.png\n"
    (photographs / "held_out.txt").write_text(lines)
    process = run(
        "--images=images", "--exclude=held_out.txt", "--sizes=1/4", cwd=photographs
    )
    assert process.returncode == 0, process.stdout
    assert f"Left out by --exclude: 3 of {len(names)} images" in process.stdout
    assert "1 lines of --exclude name none of them, such as 'no.png'" in process.stdout


@pytest.mark.full
def test_every_class_is_in_the_smallest_split(photographs):
    process = run(
        "--images=images", "--masks=masks", "--num_classes=3", "--ignore_class=9",
        "--sizes=1,1/4", "--seeds=0,1,2", cwd=photographs,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    for seed in range(3):
        assert read(photographs, f"1_seed{seed}")[0] == NAMES[-1:]
        assert NAMES[-1] in read(photographs, f"1_4_seed{seed}")[0]
    assert process.stdout.count("| 2 of 2 |") == 6


@pytest.mark.full
def test_takes_the_image_of_a_pair_and_names_with_spaces(tmp_path):
    lines = "a.jpg masks/a.png\n\nthe b.jpg\nc.jpg, masks/c.png\n"
    (tmp_path / "names.txt").write_text(lines)
    process = run("--names=names.txt", "--sizes=3", cwd=tmp_path)
    assert process.returncode == 0, process.stdout
    labeled = tmp_path / "out" / "3_seed0" / "labeled.txt"
    assert labeled.read_text() == "a.jpg\nthe b.jpg\nc.jpg\n"


LIST = "--names=names.txt"


@pytest.mark.full
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--names or --images is needed"),
        (("--names=no.txt",), "names='no.txt', which is not a file"),
        ((LIST, "--sizes=half"), "--sizes must be shares such as 1/16"),
        (
            (LIST, "--sizes=1/8,100"),
            "from 1 to 32, as many as there are. Received: 100",
        ),
        ((LIST, "--seeds=1,1"), "must be different integers"),
        ((LIST, "--group=^x"), "finds no group in 32 of 32 names: tour0_000, tour0_"),
        ((LIST, "--masks=."), "--masks needs --images"),
        ((LIST, "--exclude=names.txt"), "It lists all of them"),
        (("--names=twice.txt",), "images more than once: a.png, a.jpg"),
        (("--names=comment.txt",), "'# day 2' names no file. If it is a comment"),
    ],
)
def test_says_what_is_wrong_and_writes_nothing(arguments, message, listed):
    process = run(*arguments, cwd=listed)
    assert process.returncode != 0
    assert message in process.stdout and "Traceback" not in process.stdout
    assert not (listed / "out").exists()


def test_overwrites_nothing(listed):
    (listed / "out" / "1_16_seed0").mkdir(parents=True)
    process = run(LIST, cwd=listed)
    assert process.returncode != 0
    assert "is not empty" in process.stdout
    assert [path.name for path in (listed / "out").iterdir()] == ["1_16_seed0"]


@pytest.mark.full
def test_a_name_that_no_line_can_hold_is_refused(photographs):
    names = ["a,b", "a b", '"q"', "a;b", "#7", "=f", "~x", "$HOME", "-d", "é", "t\tt"]
    image = photographs / "images" / f"{NAMES[0]}.png"
    for name in names:
        shutil.copy(image, photographs / "images" / f"{name}.png")
    process = run("--images=images", "--sizes=43", cwd=photographs)
    assert process.returncode == 0, process.stdout
    labeled = photographs / "out" / "43_seed0" / "labeled.txt"
    found = data.from_folder(photographs / "images", names=labeled).names
    assert sorted(found) == sorted([*NAMES, *names])
    for name in ("tour0_000\ntour0_001", "  tour0_000"):
        other = photographs / "images" / f"{name}.png"
        shutil.copy(image, other)
        shutil.rmtree(photographs / "out", ignore_errors=True)
        process = run("--images=images", "--sizes=3", cwd=photographs)
        assert process.returncode == 1, process.stdout
        assert f"No line of a list can hold {name!r}" in process.stdout
        assert not (photographs / "out").exists()
        other.unlink()


@pytest.mark.full
def test_a_folder_that_is_no_utf_8_is_told(listed):
    script = programs.ROOT / "scripts" / "make_splits.py"
    process = programs.run(script, LIST, f"--output_dir={NO_UTF_8}", cwd=listed)
    assert process.returncode == 0, process.stdout
    assert "Written to o\\udcff" in process.stdout
