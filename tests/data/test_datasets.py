"""Data sets in their real layouts, with small files."""

import numpy as np
import pytest
from PIL import Image

from keras_imas.data import camvid, cityscapes, voc


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(array)
    picture.save(path)


def grey(value):
    return np.full((4, 6), value, "uint8")


def read(examples):
    return {
        example["name"]: int(example["label_map"][0, 0])
        for _, example in examples.pick(range(len(examples)))
    }


@pytest.fixture
def cities(tmp_path):
    for split in ("train", "val", "train_extra"):
        for number, label_id in enumerate((7, 33, 0, 26)):
            name = f"{split}/bonn/bonn_{number:06}"
            save(tmp_path / "leftImg8bit" / f"{name}_leftImg8bit.png", grey(number))
            if split != "train_extra":
                path = tmp_path / "gtFine" / f"{name}_gtFine_labelIds.png"
                save(path, grey(label_id))
    return tmp_path


def test_cityscapes_label_ids(cities):
    assert list(read(cityscapes.read(cities)).values()) == [0, 18, 255, 13]
    name = "bonn/bonn_000003_leftImg8bit"
    assert read(cityscapes.read(cities, "val", [name])) == {name: 13}


def test_cityscapes_train_ids(cities):
    for number in range(4):
        name = f"gtFine/val/bonn/bonn_{number:06}_gtFine_labelTrainIds.png"
        save(cities / name, grey(number))
    assert list(read(cityscapes.read(cities, "val")).values()) == [0, 1, 2, 3]


def test_cityscapes_train_extra(cities):
    extra = cityscapes.read(cities, "train_extra", labeled=False)
    assert len(extra) == 4 and not extra.labeled
    names = [
        f"train/{cityscapes.read(cities).names[0]}",
        f"train_extra/{extra.names[0]}",
    ]
    both = cityscapes.read(cities, "", names, labeled=False)
    assert both.names == tuple(names)


def test_cityscapes_lists_of_the_published_code(cities):
    (cities / "labeled.txt").write_text(
        "leftImg8bit/train/bonn/bonn_000001_leftImg8bit.png "
        "gtFine/train/bonn/bonn_000001_gtFine_labelIds.png\n"
        "leftImg8bit/train/bonn/bonn_000003_leftImg8bit.png\n"
    )
    examples = cityscapes.read(cities, "train", cities / "labeled.txt")
    assert list(read(examples).values()) == [18, 13]
    # Where there are trainIds, lists of the other files are lists of images.
    for number in range(4):
        name = f"gtFine/train/bonn/bonn_{number:06}_gtFine_labelTrainIds.png"
        save(cities / name, grey(number))
    examples = cityscapes.read(cities, "train", cities / "labeled.txt")
    assert list(read(examples).values()) == [1, 3]


@pytest.fixture
def pascal(tmp_path):
    """Five images; VOC labels 1, 2 and 5, SBD 2, 3, 4 and 5; 5 validates."""
    scipy_io = pytest.importorskip("scipy.io")
    devkit, sbd = tmp_path / "VOC2012", tmp_path / "dataset"
    for number in range(1, 6):
        save(devkit / "JPEGImages" / f"2007_00000{number}.jpg", grey(number))
    for number in (1, 2, 5):
        mask = Image.fromarray(grey(number))
        mask.putpalette(list(np.array(voc.COLORS, "uint8").flatten()))
        path = devkit / "SegmentationClass" / f"2007_00000{number}.png"
        path.parent.mkdir(exist_ok=True)
        mask.save(path)
    (sbd / "cls").mkdir(parents=True)
    for number in (2, 3, 4, 5):
        content = {"GTcls": {"Segmentation": grey(10 + number)}}
        scipy_io.savemat(sbd / "cls" / f"2007_00000{number}.mat", content)
    lists = {
        devkit / "ImageSets/Segmentation/train.txt": (1, 2),
        devkit / "ImageSets/Segmentation/val.txt": (5,),
        sbd / "train.txt": (2, 3),
        sbd / "val.txt": (4, 5),
    }
    for path, numbers in lists.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"2007_00000{number}\n" for number in numbers))
    return devkit, sbd


def test_voc(pascal):
    devkit, _ = pascal
    val = voc.read(devkit, devkit / "ImageSets/Segmentation/val.txt")
    assert read(val) == {"2007_000005": 5}
    everything = [f"2007_00000{number}" for number in range(1, 6)]
    assert len(voc.read(devkit, everything, labeled=False)) == 5
    with pytest.raises(FileNotFoundError, match=r"no mask .*2007_000003"):
        voc.read(devkit, everything)


def test_voc_with_sbd(pascal):
    """The labels of VOC itself count where there are both."""
    devkit, sbd = pascal
    names = voc.train_names(devkit, sbd)
    assert names == ["2007_000001", "2007_000002", "2007_000003", "2007_000004"]
    found = read(voc.read(devkit, names, sbd_dir=sbd))
    assert list(found.values()) == [1, 2, 13, 14]


def test_voc_with_merged_label_maps(pascal):
    devkit, _ = pascal
    for number in range(1, 6):
        save(devkit / f"SegmentationClassAug/2007_00000{number}.png", grey(15))
    path = devkit / "ImageSets/Segmentation/train_aug.txt"
    path.write_text("/JPEGImages/2007_000003.jpg /SegmentationClassAug/2007_000003.png")
    assert voc.train_names(devkit) == ["2007_000003"]
    assert read(voc.read(devkit, path)) == {"2007_000003": 15}


def test_camvid(tmp_path):
    lines = []
    for number in range(3):
        save(tmp_path / "train" / f"{number}.png", grey(0))
        save(tmp_path / "trainannot" / f"{number}.png", grey(number + 9))
        lines.append(
            f"/SegNet/CamVid/train/{number}.png /SegNet/CamVid/trainannot/{number}.png"
        )
    assert read(camvid.read(tmp_path)) == {"0": 9, "1": 10, "2": 11}
    data_dir = tmp_path.rename(tmp_path.parent / "CamVid")
    (data_dir / "train.txt").write_text("\n".join(lines[1:]))
    assert read(camvid.read(data_dir)) == {"1": 10, "2": camvid.IGNORE_CLASS}
    assert camvid.read(data_dir, names=["0"], labeled=False).names == ("0",)
    assert len(camvid.CLASSES) == len(camvid.COLORS) == camvid.IGNORE_CLASS
