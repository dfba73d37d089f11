"""Indexed masks whose palettes differ."""

import numpy as np
import pytest
from PIL import Image

from keras_imas.data import ClassTable, check, from_folder

SKY, RED, GREEN, OTHER = (0, 0, 0), (255, 0, 0), (0, 255, 0), (9, 9, 9)
TABLE = ClassTable(("sky", "red", "green"), None, {SKY: 0, RED: 1, GREEN: 2})


@pytest.fixture
def folder(tmp_path):
    """A function that writes masks of three stripes, in these palettes."""

    def write(*palettes, suffix="png"):
        rng = np.random.default_rng(0)
        for kind in ("images", "masks"):
            (tmp_path / kind).mkdir()
        for number, palette in enumerate(palettes):
            pixels = rng.integers(0, 256, (9, 8, 3), dtype="uint8")
            Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
            rows = [palette.index(color) for color in (SKY, RED, GREEN)]
            mask = Image.fromarray(np.repeat(rows, 24).reshape(9, 8).astype("uint8"))
            mask.putpalette([value for color in palette for value in color])
            mask.save(tmp_path / "masks" / f"{number}.{suffix}")
        return tmp_path / "images", tmp_path / "masks"

    return write


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_palettes_that_differ_are_refused(folder, suffix):
    folders = folder([SKY, RED, GREEN], [SKY, GREEN, RED], suffix=suffix)
    with pytest.raises(ValueError, match="the palettes of masks differ") as error:
        from_folder(*folders)
    assert "classes=" in str(error.value) and f"1.{suffix}" in str(error.value)


def binary(folder, *palettes):
    """Read masks as binary ones, of an index that is 0 or 1."""
    folders = folder(*([*p, *({SKY, RED, GREEN} - {*p})] for p in palettes))
    for path in folders[1].iterdir():
        with Image.open(path) as mask:
            indices, palette = np.minimum(np.asarray(mask), 1), mask.getpalette()
        mask = Image.fromarray(indices)
        mask.putpalette(palette)
        mask.save(path)
    return from_folder(*folders, binary_masks=True, num_classes=2)


def test_binary_masks_whose_background_has_two_colors_are_refused(folder):
    with pytest.raises(ValueError, match="the palettes of masks differ: 0 is "):
        binary(folder, [SKY, RED], [RED, SKY])


def test_binary_masks_may_have_objects_of_several_colors(folder):
    assert len(binary(folder, [SKY, RED], [SKY, GREEN])) == 2


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_with_a_table_masks_are_read_by_color(folder, suffix):
    palettes = [SKY, RED, GREEN], [SKY, GREEN, RED], [RED, GREEN, SKY]
    folders = folder(*palettes, suffix=suffix)
    examples = from_folder(*folders, classes=TABLE, num_classes=3)
    for index in range(3):
        label_map = np.asarray(examples.read(index)["label_map"])
        assert label_map[::3, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
@pytest.mark.parametrize("behind", [[], [OTHER], [OTHER, SKY]])
def test_palettes_that_agree_where_masks_use_them(folder, suffix, behind):
    used = [SKY, RED, GREEN]
    folders = folder(used, [*used, *behind], [*used, SKY, OTHER], suffix=suffix)
    assert check({"labeled": from_folder(*folders, num_classes=3)}, 3).problems == []
