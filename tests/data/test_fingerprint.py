import os

import numpy as np
import pytest
from PIL import Image

from keras_imas.data import as_examples, fingerprint, from_folder


@pytest.fixture
def folder(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        for name in "ab":
            Image.fromarray(np.zeros((4, 4), "uint8")).save(
                tmp_path / kind / f"{name}.png"
            )
    return tmp_path


def listed(folder, *names, **options):
    return from_folder(folder / "images", folder / "masks", names or None, **options)


@pytest.mark.parametrize("content", [False, True])
@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_file_that_was_replaced(folder, content, kind):
    before = fingerprint(listed(folder), content=content)
    assert fingerprint(listed(folder), content=content) == before
    Image.fromarray(np.ones((4, 4), "uint8")).save(folder / kind / "b.png")
    assert fingerprint(listed(folder), content=content) != before


def test_a_copy_has_the_same_content(folder):
    before = [fingerprint(listed(folder), content=content) for content in (False, True)]
    os.utime(folder / "images" / "a.png", ns=(1, 1))
    after = [fingerprint(listed(folder), content=content) for content in (False, True)]
    assert before[0] != after[0] and before[1] == after[1]


def test_which_ones_in_which_order_and_how_they_are_read(folder):
    found = {
        fingerprint(examples)
        for examples in (
            listed(folder),
            listed(folder, "a"),
            listed(folder, "b", "a"),
            listed(folder, labeled=False),
            listed(folder, image_size=(2, 2)),
            listed(folder, image_range=(0, 100)),
        )
    }
    assert len(found) == 6


def test_arrays_are_told_by_their_number():
    images = np.zeros((3, 4, 4, 3), "uint8")
    assert fingerprint(as_examples(images)) != fingerprint(as_examples(images[:2]))
