import unicodedata

import pytest

from keras_imas.near_miss import did_you_mean, near_miss

NAMES = ["labeled", "unlabeled", "unlabeled_strong", "IMG_7", "bär"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("unlabelled", "unlabeled"),
        ("unlabeled strong", "unlabeled_strong"),
        ("img_7", "IMG_7"),
        (unicodedata.normalize("NFD", "Bär"), "bär"),
        ("zebra", None),
        ("IMG_8", None),
        ("IMGE_7", "IMG_7"),
        ("", None),
    ],
)
def test_what_a_name_is_meant_to_be(name, meant):
    assert near_miss(name, NAMES) == meant
    assert did_you_mean(name, NAMES) == (f"; did you mean {meant!r}?" if meant else "")


def test_of_very_many_names_only_those_of_the_same_letters():
    many = [f"photo_{i}" for i in range(6000)]
    assert near_miss("Photo 17", many) == "photo_17"
    assert near_miss("foto_17", many) is None
