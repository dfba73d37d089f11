"""Which mask is an image's, and which is none's."""

import unicodedata
import warnings

import numpy as np
import pytest
from PIL import Image

from keras_imas.data import collected, from_folder, with_masks

RNG = np.random.default_rng(0)


def image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 256, (4, 4, 3), dtype="uint8")
    Image.fromarray(pixels).save(path)


def mask(path, value=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4), value, "uint8")).save(path)


def warned(*arguments, **options):
    with collected() as problems:
        examples = from_folder(*arguments, **options)
    return examples, [p.message for p in problems if p.severity == "warning"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_in_another_unicode_form(tmp_path, form):
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    name = "bär/é"
    image(tmp_path / "images" / f"{unicodedata.normalize(form, name)}.png")
    mask(tmp_path / "masks" / f"{unicodedata.normalize(other, name)}.png", 7)
    folders = tmp_path / "images", tmp_path / "masks"
    for names in (None, [name], [f"{unicodedata.normalize(other, name)}.png"]):
        examples = from_folder(*folders, names)
        assert (np.asarray(examples.read(0)["label_map"]) == 7).all()
    assert len(with_masks(*folders)) == 1


def test_two_files_whose_names_differ_by_the_form_alone(tmp_path):
    for form in ("NFC", "NFD"):
        image(tmp_path / f"{unicodedata.normalize(form, 'é')}.png")
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("the file system takes them for one")
    assert len(from_folder(tmp_path)) == 2


@pytest.mark.parametrize("name", ["a.jpg.png", "a_mask.png", "a.png"])
@pytest.mark.parametrize("beside", [False, True])
def test_masks_named_as_tools_name_them(tmp_path, name, beside):
    folder = tmp_path / ("images" if beside else "masks")
    image(tmp_path / "images" / "a.jpg")
    image(tmp_path / "images" / "b.jpg")
    mask(folder / name, 3)
    folders = tmp_path / "images", folder
    assert with_masks(*folders) == ["a"]
    assert from_folder(*folders, labeled=False).names == ("a", "b")
    examples = from_folder(*folders, ["a"])
    assert (np.asarray(examples.read(0)["label_map"]) == 3).all()


def test_an_image_and_its_mask_that_end_alike(tmp_path):
    image(tmp_path / "a.png")
    mask(tmp_path / "a_mask.png", 3)
    assert with_masks(tmp_path, tmp_path) == ["a"]
    examples = from_folder(tmp_path, tmp_path)
    assert examples.names == ("a",)
    assert (np.asarray(examples.read(0)["label_map"]) == 3).all()


def test_the_mask_of_another_image_is_not_taken(tmp_path):
    for name in ("x", "x_mask"):
        image(tmp_path / "images" / f"{name}.png")
    mask(tmp_path / "masks" / "x_mask.png")
    assert with_masks(tmp_path / "images", tmp_path / "masks") == ["x_mask"]


def test_masks_without_an_image_are_listed_with_what_they_may_be(tmp_path):
    for name in ("IMG_7", "IMG_8", "street_front"):
        image(tmp_path / "images" / f"{name}.png")
    for name in ("IMG_8", "img_7", "street-front", "other"):
        mask(tmp_path / "masks" / f"{name}.png")
    folders = tmp_path / "images", tmp_path / "masks"
    examples, told = warned(*folders, ["IMG_8"])
    assert examples.names == ("IMG_8",) and len(told) == 1
    assert "3 masks without an image: " in told[0]
    assert "img_7.png; did you mean 'IMG_7'?" in told[0]
    assert "street-front.png; did you mean 'street_front'?" in told[0]
    assert "other.png" in told[0]
    with pytest.warns(UserWarning, match="3 masks without an image"):
        from_folder(*folders, ["IMG_8"])


def test_masks_that_a_list_names_need_no_image_of_their_name(tmp_path):
    image(tmp_path / "images" / "a.png")
    mask(tmp_path / "masks" / "first.png", 5)
    mask(tmp_path / "masks" / "second.png", 6)
    (tmp_path / "list.txt").write_text("a.png, second.png\n")
    folders = tmp_path / "images", tmp_path / "masks"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        examples = from_folder(*folders, tmp_path / "list.txt")
    assert (np.asarray(examples.read(0)["label_map"]) == 6).all()


def test_a_mask_among_images_whose_image_is_gone_is_no_image(tmp_path):
    image(tmp_path / "a.png")
    for name in ("a", "b"):
        mask(tmp_path / f"{name}_L.png")
    for options in ({"mask_name": "{}_L"}, {"mask_name": "{}_L.png"}):
        examples, told = warned(tmp_path, tmp_path, **options)
        assert examples.names == ("a",)
        assert len(told) == 1 and "masks without an image: b_L.png" in told[0]
    for name in ("a", "b"):
        (tmp_path / f"{name}_L.png").rename(tmp_path / f"{name}_mask.png")
    examples, told = warned(tmp_path, tmp_path)
    assert examples.names == ("a",) and "b_mask.png" in told[0]


def test_what_a_missing_mask_may_be(tmp_path):
    image(tmp_path / "images" / "IMG_7.png")
    mask(tmp_path / "masks" / "img_7.png")
    with pytest.raises(FileNotFoundError, match="no mask .*; did you mean 'img_7'"):
        from_folder(tmp_path / "images", tmp_path / "masks", ["IMG_7"])
    with pytest.raises(FileNotFoundError, match="no file .*; did you mean 'IMG_7'"):
        from_folder(tmp_path / "images", None, ["img_7.png"])
