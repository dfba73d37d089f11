import itertools

import numpy as np
import pytest
from PIL import Image

from keras_imas import data

IMAGES = np.arange(5, dtype="uint8")[:, None, None, None] * np.ones(
    (5, 8, 9, 3), "uint8"
)
LABELS = IMAGES[..., 0]


def from_arrays(folder):
    return IMAGES, LABELS


def from_files(folder):
    for number in range(5):
        for kind, array in (("images", IMAGES), ("masks", LABELS)):
            (folder / kind).mkdir(exist_ok=True)
            Image.fromarray(array[number]).save(folder / kind / f"{number}.png")
    return data.from_folder(folder / "images", folder / "masks")


def from_files_kept_in_memory(folder):
    return from_files(folder).cached("memory")


def from_a_dataset(folder):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))


SOURCES = [from_arrays, from_files, from_files_kept_in_memory]


@pytest.mark.parametrize(
    ("source", "pipeline"),
    [
        *itertools.product(SOURCES, ["device", "tf.data"]),
        (from_a_dataset, "tf.data"),  # which nothing else reads
    ],
)
def test_it_holds_the_chosen_examples_in_order(source, pipeline, tmp_path):
    some = data.subset(source(tmp_path), [3, 1])
    assert len(some) == 2
    batches = data.evaluation(some, pipeline=pipeline)
    found = [(int(np.max(x)), int(np.max(y))) for x, y in batches]
    assert found == [(1, 1), (3, 3)]
    assert [int(example["image"].max()) for _, example in some.pick([1])] == [3]


def test_names_and_files_go_along(tmp_path):
    some = data.subset(from_files(tmp_path), [0, 4])
    assert some.names == ("0", "4") and not some.size_counts
    assert [path.endswith(("0.png", "4.png")) for path in some.files] == [True, True]


def test_of_a_subset(tmp_path):
    some = data.subset(data.subset((IMAGES, LABELS), [1, 2, 4]), [1, 2])
    found = [int(example["image"].max()) for _, example in some.pick(iter([0, 1]))]
    assert found == [2, 4]


@pytest.mark.parametrize("indices", [[], [5], [-1, 2]])
def test_positions_out_of_range_are_refused(indices):
    with pytest.raises(ValueError, match=r"`indices` must be in \[0, 5\)"):
        data.subset(IMAGES, indices)
