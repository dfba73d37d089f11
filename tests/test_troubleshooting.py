"""The messages that docs/guides/troubleshooting.md quotes are those of the package."""

import os
import re

import keras
import numpy as np
import programs
import pytest
from PIL import Image

import keras_imas
from keras_imas import data
from keras_imas.backends.devices import check_batch
from keras_imas.runs.sources import Folder

PAGE = programs.ROOT / "docs" / "guides" / "troubleshooting.md"
TEXT = PAGE.read_text(encoding="utf-8")
# Messages stand between two backticks, as there may be single ones inside.
QUOTES = re.findall(r"(?<!`)``(?!`) ?(.+?) ?``(?!`)", TEXT, re.S)


def draw(folder, names, value=0):
    os.makedirs(folder, exist_ok=True)
    for name in names:
        Image.new("L", (8, 8), value).save(f"{folder}/{name}.png")


def examples(names):
    draw("photos", names)
    draw("masks", names)
    return data.from_folder("photos", "masks", list(names))


def neither_classes_nor_their_number():
    Folder(images="photos", masks="masks").read(0)


def a_listed_image_has_no_mask():
    draw("photos", "ab")
    draw("masks", "b")
    data.from_folder("photos", "masks", ["a", "b"])


def a_batch_does_not_divide():
    check_batch("labeled_batch_size", 6, replicas=4)


def an_id_is_out_of_range():
    labeled = examples("ab")
    draw("masks", "a", value=7)
    data.check({"labeled": labeled}, 3, 255).raise_errors()


def an_object_is_ignored():
    draw("photos", "a")
    os.makedirs("masks")
    mask = np.uint8([[0, 255]]).repeat(8, axis=0).repeat(4, axis=1)
    Image.fromarray(mask).save("masks/a.png")
    data.from_folder("photos", "masks", num_classes=2)


def images_are_fractions():
    data.as_examples(np.linspace(0, 1, 3, dtype="float32").reshape(1, 1, 1, 3))


def parts_share_images():
    data.splits.check_separate(labeled=examples("ab"), validation=examples("abc"))


def images_do_not_fill_a_batch():
    data.semi_supervised(examples("ab"), examples("cde"), crop_size=8)


def one_image_has_no_partner():
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
    image = np.zeros((1, 8, 8, 3), "float32")
    inputs = ("labeled", "unlabeled", "unlabeled_strong")
    keras_imas.IMAS(keras.Sequential(layers))(dict.fromkeys(inputs, image))


def a_network_has_one_channel():
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(1, 1)]
    keras_imas.IMAS(keras.Sequential(layers))


def a_network_ends_in_softmax():
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
    keras_imas.IMAS(keras.Sequential([*layers, keras.layers.Softmax()]))


# In the order of the document: one for each of its quotes.
PROVOCATIONS = (
    neither_classes_nor_their_number,
    a_listed_image_has_no_mask,
    a_batch_does_not_divide,
    an_id_is_out_of_range,
    an_object_is_ignored,
    images_are_fractions,
    parts_share_images,
    images_do_not_fill_a_batch,
    one_image_has_no_partner,
    a_network_has_one_channel,
    a_network_ends_in_softmax,
)


@pytest.mark.parametrize(
    ("provoke", "quote"),
    list(zip(PROVOCATIONS, QUOTES, strict=True)),
    ids=[provoke.__name__ for provoke in PROVOCATIONS],
)
def test_message_is_as_quoted(provoke, quote, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, OSError)) as caught:
        provoke()
    message = " ".join(str(caught.value).split())
    quote = re.escape(" ".join(quote.split())).replace(r"\.\.\.", ".*")
    assert re.search(quote, message), message
