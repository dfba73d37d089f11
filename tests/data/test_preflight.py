import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from keras_imas.data import check, check_labels, collected, from_folder

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 8, 10, 3), dtype="uint8")
LABELS = RNG.integers(0, 3, (6, 8, 10), dtype="uint8")


def parts(labels=LABELS):
    return {
        "labeled": (IMAGES[:2], labels[:2]),
        "unlabeled": IMAGES[2:4],
        "validation": (IMAGES[4:], labels[4:]),
    }


def test_nothing_to_say():
    report = check(parts(), 3)
    assert report.problems == []
    assert [part.images for part in report.parts.values()] == [2, 2, 2]
    assert report.parts["unlabeled"].pixels == {}
    report.raise_errors()


@given(st.integers(2, 6), st.integers(0, 10**6), st.integers(0, 5))
def test_counts(num_classes, seed, ignored):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_classes, (2, 8, 10))
    labels[:, :ignored] = 255
    report = check({"labeled": (IMAGES[:2], labels)}, num_classes)
    part = report.parts["labeled"]
    assert part.pixels == dict(zip(*np.unique(labels, return_counts=True), strict=True))
    for class_id, count in part.images_with.items():
        assert count == sum((label_map == class_id).any() for label_map in labels)
    assert part.sizes == {(8, 10): 2} and not report.errors
    absent = set(range(num_classes)) - set(np.unique(labels))
    assert len(report.warnings) == len(absent)


def test_ids_out_of_range():
    labels = LABELS.copy()
    labels[0, 0, :7] = range(10, 17)
    labels[5, 0, 0] = 3
    report = check(parts(labels), 3, ignore_class=16)
    assert report.errors == [
        "`#0` of labeled: its label map contains 10, 11, 12, 13, 14 and 1 more ids; "
        "allowed are 0 to 2 (num_classes=3) and ignore_class=16",
        "`#1` of validation: its label map contains 3; allowed are 0 to 2 "
        "(num_classes=3) and ignore_class=16",
    ]
    with pytest.raises(ValueError, match="(?s)`#0` of labeled.*`#1` of validation"):
        report.raise_errors()
    assert check(parts(labels)).errors == []


def test_what_shows_the_same():
    given = parts()
    given["unlabeled"] = np.stack([IMAGES[2], IMAGES[2], IMAGES[0], IMAGES[5]])
    report = check(given, 3)
    assert report.errors == [
        "`#1` of validation shows the same as `#3` of unlabeled: what is held out "
        "would leak"
    ]
    assert report.warnings == [
        "unlabeled: `#1` shows the same as `#0`",
        "`#2` of unlabeled shows the same as `#0` of labeled",
    ]


def test_classes_without_labeled_images():
    labels = LABELS.copy()
    labels[:2] = 0
    report = check(parts(labels), 4, class_names=["sky", "road", "car", "tram"])
    assert report.warnings == [
        "labeled: no image shows class 1 (road); validation show it",
        "labeled: no image shows class 2 (car); validation show it",
        "labeled: no image shows class 3 (tram)",
    ]


def test_label_maps_without_labels():
    labels = LABELS.copy()
    labels[0] = 255
    report = check(parts(labels), 3)
    assert report.warnings[0].startswith("`#0` of labeled: its label map has no class")
    labels[1] = 255
    assert "labeled: no pixel has a label" in check(parts(labels), 3).warnings


def test_some_images_are_decoded_and_all_label_maps_are():
    labels = LABELS.copy()
    labels[:, 0, 0] = 9
    report = check({"labeled": (IMAGES, labels), "unlabeled": IMAGES}, 3, images=2)
    assert [part.read for part in report.parts.values()] == [2, 2]
    assert len(report.errors) == 6


@pytest.fixture
def folder(tmp_path):
    for number in range(4):
        for part, pixels in (("images", IMAGES), ("masks", LABELS)):
            (tmp_path / part).mkdir(exist_ok=True)
            Image.fromarray(pixels[number]).save(tmp_path / part / f"{number}.png")
    return tmp_path


def test_files_that_cannot_be_decoded(folder):
    path = folder / "images" / "2.png"
    path.write_bytes(path.read_bytes()[:100])
    examples = from_folder(folder / "images", folder / "masks")
    with pytest.raises(ValueError, match=r"images/2\.png cannot be read"):
        check_labels(examples, 3)
    skipping = from_folder(folder / "images", folder / "masks", on_bad_image="skip")
    report = check({"labeled": skipping}, 3)
    assert report.errors == [] and "2.png" in report.warnings[0]
    assert report.parts["labeled"].unread == ["2"]


def test_problems_are_raised_or_collected(folder):
    (folder / "masks" / "1.png").unlink()
    with pytest.raises(FileNotFoundError, match="no mask"):
        from_folder(folder / "images", folder / "masks")
    with collected() as problems:
        examples = from_folder(folder / "images", folder / "masks")
    assert examples.names == ("0", "2", "3")
    assert len(problems) == 1 and "no mask" in problems[0].message


def test_one_class_and_ignored_pixels_alone():
    labels = np.where(LABELS > 1, 255, 0)
    report = check(parts(labels), 2)
    assert [message.split(":")[0] for message in report.errors] == [
        "labeled",
        "validation",
    ]
    assert "hold class 0 and 255 alone" in report.errors[0]
    assert "binary_masks=True (--binary_masks)" in report.errors[0]
    assert check(parts(LABELS * 0), 2).errors == []
    assert (
        "class 0 and -1 alone"
        in check(parts(labels - (labels > 0) * 256), 2, -1).errors[0]
    )


def test_numbers_of_classes():
    with pytest.raises(ValueError, match="`num_classes` must be 2 or more"):
        check(parts(), 1)
    with pytest.raises(ValueError, match="ignore_class=255 is one of the classes"):
        check(parts(), 256)
