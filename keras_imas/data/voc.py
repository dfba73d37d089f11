"""PASCAL VOC 2012, with the labels of SBD: its directories, classes and colors."""

from pathlib import Path
from typing import Any

from keras_imas.data.colors import default_colors
from keras_imas.data.examples import Examples
from keras_imas.data.folder import from_folder
from keras_imas.data.lists import read_list
from keras_imas.data.splits import rest
from keras_imas.files.user_path import user_path
from keras_imas.typing import Names, StrPath

CLASSES = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)

COLORS = ((0, 0, 0), *map(tuple, default_colors(20).tolist()))


def read(
    data_dir: StrPath,
    names: Names,
    *,
    labeled: bool = True,
    sbd_dir: StrPath | None = None,
    **options: Any,
) -> Examples:
    """List the examples of a list in the official directories.

    Args:
        data_dir: directory that holds `JPEGImages` and label maps in
            `SegmentationClassAug` (VOC and SBD) or `SegmentationClass` (VOC alone),
            such as `VOCdevkit/VOC2012`.
        names: ids such as "2007_000032": a list, or the path of a text file with one a
            line, as in `ImageSets/Segmentation`; label maps that lines name besides
            are not heeded.
        labeled: whether to read label maps. Defaults to True.
        sbd_dir: directory of SBD that holds `cls` with its .mat files, such as
            `benchmark_RELEASE/dataset`, for images that VOC itself has no label map
            of. Defaults to None.
        **options: `image_size`, `image_range`, `on_bad_image`, `max_pixels` and
            `follow_links`, as in `from_folder`.

    Returns:
        `Examples`.

    Raises:
        FileNotFoundError: if a directory, the list or a file is missing.
        ValueError: as `from_folder`.

    Example:
        ```python
        val = voc.read("VOC2012", "VOC2012/ImageSets/Segmentation/val.txt")
        ```
    """
    data_dir = Path(user_path(data_dir))
    masks = None
    if labeled:
        masks = [data_dir / "SegmentationClass"]
        if sbd_dir is not None:
            masks.append(Path(sbd_dir) / "cls")
        elif (data_dir / "SegmentationClassAug").is_dir():
            masks = [data_dir / "SegmentationClassAug"]
    return from_folder(
        data_dir / "JPEGImages",
        masks,
        names,
        listed_masks=False,
        **options,
    )


def train_names(data_dir: StrPath, sbd_dir: StrPath | None = None) -> list[str]:
    """List the training images: VOC's and SBD's without VOC's validation images.

    These are the 10,582 of the published runs.

    Args:
        data_dir: as in `read`.
        sbd_dir: directory of SBD that holds `train.txt` and `val.txt`. Defaults to
            None: the list is `ImageSets/Segmentation/train_aug.txt`.

    Returns:
        List of ids.

    Raises:
        FileNotFoundError: if a list is missing.
    """
    lists = Path(user_path(data_dir)) / "ImageSets" / "Segmentation"
    if sbd_dir is None:
        return _ids(lists / "train_aug.txt")
    both = _ids(lists / "train.txt")
    both += [
        name
        for part in ("train", "val")
        for name in _ids(Path(sbd_dir) / f"{part}.txt")
    ]
    return rest(list(dict.fromkeys(both)), _ids(lists / "val.txt"))


def _ids(path):
    """Return the ids of a list, whatever else its lines hold."""
    return [Path(entry.fields()[0]).stem for entry in read_list(path)]
