import geotiff
import numpy as np
import pytest
from PIL import Image

from keras_imas.inference import mask_file
from keras_imas.inference.georeference import read_georeference

IMAGE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype="uint8")
COLORS = [(9, 9, 9), (250, 0, 0)]


@pytest.mark.parametrize("number", [2, 300])
def test_a_mask_has_the_georeference_of_its_photograph(tmp_path, number):
    photograph, mask = tmp_path / "photo.tif", tmp_path / "mask.tif"
    geotiff.write_geotiff(photograph, IMAGE)
    label_map = np.arange(600).reshape(20, 30) % number
    colors = np.zeros((number, 3), "uint8")
    place = read_georeference(photograph)
    mask_file.save_mask(mask, label_map, colors, georeference=place, made_from="a1")
    assert geotiff.place_of(mask) == geotiff.place_of(photograph)
    assert len(geotiff.place_of(mask)) == 4
    # What the photograph's value 0 is, class 0 is not.
    assert 42113 in geotiff.tags_of(photograph)
    assert 42113 not in geotiff.tags_of(mask)
    np.testing.assert_array_equal(np.array(Image.open(mask)), label_map)
    assert mask_file.made_from(mask) == "a1"


def test_other_files_have_none(tmp_path):
    plain, rotated = tmp_path / "plain.tif", tmp_path / "rotated.tif"
    Image.fromarray(IMAGE).save(plain)
    geotiff.write_geotiff(rotated, IMAGE, {274: (3, 6)})
    (tmp_path / "broken.tif").write_bytes(b"II*\0")
    for path in (plain, rotated, tmp_path / "broken.tif", tmp_path / "missing.tif"):
        assert read_georeference(path) is None


@pytest.mark.parametrize("tag", geotiff.PLACE)
@pytest.mark.parametrize(
    "kind, value",
    [(1, b"\1\2"), (2, "a|"), (3, (7,)), (4, (70000,)), (5, (1.5, 2.5)), (7, b"ab"),
     (9, (-3,)), (11, (0.5, 0.25)), (12, (0.5, 0.25, 1e300))],
)  # fmt: skip
def test_tags_of_any_type_are_copied(tmp_path, tag, kind, value):
    photograph, mask = tmp_path / "photo.tif", tmp_path / "mask.tif"
    geotiff.write_geotiff(photograph, IMAGE, {tag: (kind, value)})
    place = read_georeference(photograph)
    mask_file.save_mask(mask, np.zeros((20, 30)), COLORS, georeference=place)
    assert geotiff.place_of(mask) == geotiff.place_of(photograph)


def test_masks_are_saved_without_loss_alone(tmp_path):
    with pytest.raises(ValueError, match=r"\.png or \.tif"):
        mask_file.save_mask(tmp_path / "mask.jpg", np.zeros((2, 2)), COLORS)
