"""PASCAL VOC 2012, with the labels of SBD: its directories, classes and colors."""

from pathlib import Path

from keras_imas.data.folder import from_folder
from keras_imas.report import default_colors

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


def read(data_dir, names, *, labeled=True):
    """Lists the examples of a list in the official directories.

    Args:
        data_dir: directory that holds `JPEGImages` and label maps in
            `SegmentationClassAug` (VOC and SBD) or `SegmentationClass` (VOC alone),
            such as `VOCdevkit/VOC2012`.
        names: ids such as "2007_000032": a list, or the path of a text file with one a
            line, as in `ImageSets/Segmentation`.
        labeled: whether to read label maps. Defaults to True.

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
    data_dir = Path(data_dir)
    masks = None
    if labeled:
        masks = data_dir / "SegmentationClassAug"
        if not masks.is_dir():
            masks = data_dir / "SegmentationClass"
    return from_folder(data_dir / "JPEGImages", masks, names)
