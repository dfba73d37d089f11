"""`scripts/check_dataset.py`, run as a user runs it."""

import json

import numpy as np
import programs
import pytest
from PIL import Image

SCRIPT = programs.ROOT / "scripts" / "check_dataset.py"
RNG = np.random.default_rng(0)


def check(*arguments, cwd):
    process = programs.run(SCRIPT, *arguments, cwd=cwd)
    return process.returncode, process.stdout


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def photographs(tmp_path):
    """Twelve photographs, of which 0 to 5 have masks; 10 and 11 validate."""
    for number in range(12):
        folder = "val" if number >= 10 else "train"
        pixels = RNG.integers(0, 256, (20, 30, 3), dtype="uint8")
        save(tmp_path / folder / f"{number:02}.png", pixels)
        if number < 6 or number >= 10:
            mask = RNG.integers(0, 3, (20, 30), dtype="uint8")
            save(tmp_path / f"{folder}_masks" / f"{number:02}.png", mask)
    names = {"labeled": range(6), "unlabeled": range(6, 10)}
    for part, numbers in names.items():
        lines = "".join(f"{number:02}\n" for number in numbers)
        (tmp_path / f"{part}.txt").write_text(lines)
    return tmp_path


FLAGS = (
    "--dataset=folder", "--images=train", "--masks=train_masks", "--num_classes=4",
    "--labeled=labeled.txt", "--unlabeled=unlabeled.txt", "--val_images=val",
    "--val_masks=val_masks",
)  # fmt: skip


def cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def test_ten_faults_are_all_found(photographs):
    train, masks = photographs / "train", photographs / "train_masks"
    cut(train / "00.png", 0.6)  # 1: a truncated image
    (train / "06.png").write_bytes(b"<html>404</html>")  # 2: no image at all
    save(masks / "01.png", np.full((20, 30), 9, "uint8"))  # 3: an id out of range
    save(masks / "02.png", np.zeros((20, 29), "uint8"))  # 4: a mask of another size
    (masks / "03.png").unlink()  # 5: a missing mask
    (train / "07.png").unlink()  # 6: a missing image
    with open(photographs / "unlabeled.txt", "a") as file:
        file.write("05\n")  # 7: labeled and unlabeled
    (photographs / "val" / "10.png").write_bytes((train / "08.png").read_bytes())  # 8
    colors = np.zeros((20, 30, 3), "uint8")
    save(photographs / "val_masks" / "11.png", colors)  # 9: colors without a table
    # 10: class 3 is nowhere.
    status, output = check(*FLAGS, "--json=report.json", cwd=photographs)
    assert status == 1
    errors = {
        "train/00.png cannot be read: image file is truncated",
        "train/06.png cannot be read: cannot identify image file",
        "`01` of labeled: its label map contains 9; allowed are 0 to 3",
        "train_masks/02.png is (20, 29), its image train/02.png is (20, 30)",
        "no mask train_masks/03{.png",
        "no file train/07{.png",
        "`train/05.png` is both in labeled and in unlabeled",
        "`10` of validation shows the same as `08` of unlabeled: what is held out",
        "val_masks/11.png has mode 'RGB'",
    }
    for error in errors:
        assert f"Error: {error}" in output or f": {error}" in output, (error, output)
    assert "Warning: labeled: no image shows class 3 (3)" in output
    assert "9 errors, 1 warnings" in output
    report = json.loads((photographs / "report.json").read_text())
    assert [p["severity"] for p in report["problems"]].count("error") == 9


def test_no_faults(photographs):
    status, output = check(*FLAGS[:3], *FLAGS[4:], "--num_classes=3", cwd=photographs)
    assert status == 0, output
    assert "0 errors, 0 warnings" in output
    assert "labeled: 6 images, 6 decoded; height x width: 20x30 (6)" in output


@pytest.mark.full
def test_what_is_beside_the_data_is_told(photographs):
    masks = photographs / "train_masks"
    (masks / "05.png").rename(masks / "O5.png")
    (photographs / "train" / "phone.heic").write_bytes(b"")
    save(photographs / "train" / "06.png", np.full((20, 30), 4095, "uint16"))
    for number in (*range(5), 10, 11):
        folder = "val" if number >= 10 else "train"
        mask = RNG.integers(0, 2, (20, 30), dtype="uint8") * np.uint8(255)
        save(photographs / f"{folder}_masks" / f"{number:02}.png", mask)
    flags = [f for f in FLAGS if not f.startswith(("--num_", "--labeled", "--unl"))]
    status, output = check(*flags, "--binary_masks", cwd=photographs)
    assert status == 0, output
    assert "1 masks without an image: O5.png" in output
    assert "1 passed over (its suffix is not read): phone.heic" in output
    assert "unlabeled: files of more than 8 bits hold 4095 to 4095" in output
    assert "Pass the values of black and white, such as image_range=(0, 4095)" in output
    assert "| 1 | object |" in output
    status, output = check(*flags, "--num_classes=2", cwd=photographs)
    assert status == 1 and "class 0 and 255 alone" in output


@pytest.mark.full
def test_a_directory_of_images_and_masks(photographs):
    (photographs / "train").rename(photographs / "images")
    (photographs / "train_masks").rename(photographs / "masks")
    status, output = check(".", "--nofull", cwd=photographs)
    assert status == 0, output
    assert "labeled: 6 images" in output and "unlabeled: 4 images" in output
    (photographs / "classes.csv").write_text("name,id\nsky,0\nroad,1\n")
    status, output = check(".", cwd=photographs)
    assert status == 1 and "contains 2; allowed are 0 to 1" in output


@pytest.mark.full
def test_layouts_are_recognized(tmp_path):
    for split in ("train", "val"):
        for number in range(3):
            name = f"{split}/bonn/bonn_{number}"
            pixels = RNG.integers(0, 256, (8, 16, 3), dtype="uint8")
            save(tmp_path / "leftImg8bit" / f"{name}_leftImg8bit.png", pixels)
            path = tmp_path / "gtFine" / f"{name}_gtFine_labelIds.png"
            save(path, np.full((8, 16), 7, "uint8"))
    status, output = check(".", "--labeled_share=0.4", cwd=tmp_path)
    assert status == 0, output
    assert "| 0 | road | 100.00% | 1 | 100.00% | 3 |" in output
    assert "labeled: no image shows class 18 (bicycle)" in output


@pytest.mark.full
def test_parts_are_checked_beside_a_missing_list(photographs):
    cut(photographs / "train" / "07.png", 0.6)
    status, output = check(
        *FLAGS, "--labeled=none.txt", "--json=no/report.json", cwd=photographs
    )
    assert status == 1 and "Error: the report can't be written" in output
    status, output = check(*FLAGS, "--labeled=none.txt", cwd=photographs)
    assert status == 1 and "names='none.txt', which is not a file" in output
    assert "train/07.png cannot be read" in output
    flags = [flag for flag in FLAGS if "num_classes" not in flag]
    assert "Warning: ids are not checked" in check(*flags, cwd=photographs)[1]


@pytest.mark.full
def test_what_is_no_data_set(tmp_path):
    status, output = check("nowhere", cwd=tmp_path)
    assert status != 0 and "There is no directory 'nowhere'" in output
    status, output = check(".", cwd=tmp_path)
    assert status != 0 and "Pass --dataset=folder --images=" in output
    assert "Traceback" not in output
