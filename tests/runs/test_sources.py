import numpy as np
import pytest
from PIL import Image

from keras_imas.runs.parts import Parts
from keras_imas.runs.sources import SOURCES


@pytest.fixture
def photographs(tmp_path):
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for number in range(5):
        image = rng.integers(0, 256, (9, 12, 3), dtype="uint8")
        Image.fromarray(image).save(tmp_path / "images" / f"{number}.png")
        if number < 2:
            Image.fromarray(image[..., 0] % 3).save(tmp_path / f"masks/{number}.png")
    return tmp_path


def folder(root, **options):
    return SOURCES["folder"](
        images=str(root / "images"),
        masks=str(root / "masks"),
        num_classes=3,
        **options,
    )


def test_labeled_images_are_unlabeled_ones_too_where_asked(photographs):
    without = folder(photographs).read(0)
    assert without["unlabeled"].names == ("2", "3", "4")
    with_them = folder(photographs, labeled_as_unlabeled=True).read(0)
    assert with_them["unlabeled"].names == ("0", "1", "2", "3", "4")
    assert with_them["labeled"].names == without["labeled"].names == ("0", "1")
    Parts.of(**with_them).check()
    with pytest.raises(ValueError, match="2 images are both .*--labeled_as_unlabeled"):
        Parts.of(**{**with_them, "allow_shared": False}).check()


def test_held_out_images_stay_held_out(photographs):
    (photographs / "held_out.txt").write_text("1\n", encoding="utf-8")
    source = folder(
        photographs,
        labeled_as_unlabeled=True,
        select_on=str(photographs / "held_out.txt"),
    )
    assert source.read(0)["unlabeled"].names == ("0", "2", "3", "4")


@pytest.mark.parametrize("pattern", ["../images", "*.png"])
@pytest.mark.parametrize("listed", ["labeled", "val"])
def test_validation_images_of_the_same_folder_are_in_no_other_part(
    photographs, listed, pattern
):
    (photographs / "labeled.txt").write_text("0\n", encoding="utf-8")
    (photographs / "val.txt").write_text("1\n", encoding="utf-8")
    lists = {name: str(photographs / f"{name}.txt") for name in {listed, "val"}}
    parts = folder(
        photographs,
        val_images=str(photographs / "images" / pattern),
        val_masks=str(photographs / "masks"),
        **lists,
    ).read(0)
    assert parts["labeled"].names == ("0",) and parts["validation"].names == ("1",)
    assert parts["unlabeled"].names == ("2", "3", "4")
    Parts.of(**parts).check()


def official(root, name):
    """Write three training images and one of validation as a data set has them."""
    image, mask = Image.new("RGB", (12, 9)), Image.new("L", (12, 9))
    names = {"train": ("a_0_0", "a_0_1", "a_0_2"), "val": ("b_0_0",)}
    for part, stems in names.items():
        for stem in stems:
            paths = {
                "camvid": (f"{part}/{stem}", f"{part}annot/{stem}"),
                "voc": (f"JPEGImages/{stem}", f"SegmentationClassAug/{stem}"),
                "cityscapes": (
                    f"leftImg8bit/{part}/a/{stem}_leftImg8bit",
                    f"gtFine/{part}/a/{stem}_gtFine_labelTrainIds",
                ),
            }[name]
            for path, picture in zip(paths, (image, mask), strict=True):
                form = "jpg" if name == "voc" and picture is image else "png"
                path = root / f"{path}.{form}"
                path.parent.mkdir(parents=True, exist_ok=True)
                picture.save(path)
        lists = root / "ImageSets" / "Segmentation"
        lists.mkdir(parents=True, exist_ok=True)
        for listed in (part, f"{part}_aug"):
            (lists / f"{listed}.txt").write_text("".join(f"{s}\n" for s in stems))


@pytest.mark.parametrize("name", ["camvid", "voc", "cityscapes"])
def test_all_images_of_a_data_set_may_be_labeled(name, tmp_path):
    official(tmp_path, name)
    options = {"labeled_count": 3} if name == "voc" else {"labeled_share": 1.0}
    parts = SOURCES[name](data_dir=str(tmp_path), **options).read(0)
    assert len(parts["labeled"]) == 3 and parts["unlabeled"] is None
