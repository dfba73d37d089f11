import numpy as np
import pytest

from keras_imas.runs.parts import Parts

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 8, 8, 3)).astype("uint8")
LABELS = RNG.integers(0, 2, (40, 8, 8)).astype("uint8")


def make(**changes):
    given = {
        "labeled": (IMAGES[:20], LABELS[:20]),
        "unlabeled": IMAGES[20:],
        "validation": None,
        "select_on": None,
        "class_names": ["a", "b"],
    }
    return Parts.of(**{**given, **changes})


def test_parts_that_are_missing_are_left_out():
    parts = make(validation=(IMAGES[:3], LABELS[:3]))
    assert parts.counts() == {"labeled": 20, "unlabeled": 20, "validation": 3}
    assert parts.num_classes == len(parts.colors) == 2
    assert parts.checksum() is None  # as arrays have no names
    assert parts.skipped() == {}


def test_many_warnings_are_cut_short(capsys):
    make(unlabeled=IMAGES[:1].repeat(30, axis=0)).check()
    told = capsys.readouterr().err
    assert told.count("Warning: ") == 20
    assert told.splitlines()[-1].startswith("... and ")


def test_epochs_can_t_be_chosen_without_evaluation():
    with pytest.raises(ValueError, match="`select_on` chooses among .*missing"):
        make(select_on=(IMAGES[:3], LABELS[:3]))


def test_labeled_pixels_are_counted():
    labels = LABELS.copy()
    labels[0, :, :] = 255
    parts = make(labeled=(IMAGES[:20], labels[:20]), class_names=["a", "b", "c"])
    expected = [int((labels[:20] == number).sum()) for number in range(3)]
    assert parts.labeled_pixels() == expected and expected[2] == 0
    parts = make(
        labeled=(IMAGES[:20], labels[:20] % 255),
        class_names=["a", "b", "c"],
        ignore_class=0,
    )
    assert parts.labeled_pixels() == [0, *expected[1:]]
