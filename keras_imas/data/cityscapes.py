"""Cityscapes: its directories, the 19 classes that are scored, and their colors.

A class's index in `CLASSES` is its `trainId`; `COLORS` is the official palette in the
same order. https://github.com/mcordts/cityscapesScripts
"""

from pathlib import Path
from typing import Any

from keras_imas.data.examples import Examples
from keras_imas.data.folder import from_folder
from keras_imas.files.user_path import user_path
from keras_imas.typing import Names, StrPath

CLASSES = (
    "road",
    "sidewalk",
    "building",
    "wall",
    "fence",
    "pole",
    "traffic light",
    "traffic sign",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
)

COLORS = (
    (128, 64, 128),
    (244, 35, 232),
    (70, 70, 70),
    (102, 102, 156),
    (190, 153, 153),
    (153, 153, 153),
    (250, 170, 30),
    (220, 220, 0),
    (107, 142, 35),
    (152, 251, 152),
    (70, 130, 180),
    (220, 20, 60),
    (255, 0, 0),
    (0, 0, 142),
    (0, 0, 70),
    (0, 60, 100),
    (0, 80, 100),
    (0, 0, 230),
    (119, 11, 32),
)

# The `id` in `*_labelIds.png` of each class, in the order of `CLASSES`.
_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)

# The class of each `id`, 255 where it is not scored.
TRAIN_IDS = tuple(
    _LABEL_IDS.index(label_id) if label_id in _LABEL_IDS else 255
    for label_id in range(256)
)


def read(
    data_dir: StrPath,
    split: str = "train",
    names: Names | None = None,
    *,
    labeled: bool = True,
    **options: Any,
) -> Examples:
    """List the examples of a split in the official directories.

    Args:
        data_dir: directory that holds `leftImg8bit` and `gtFine`.
        split: "train", "val", "test" or "train_extra", or "" for all of them, whose
            names then begin with the split. Defaults to "train".
        names: names to take, such as "aachen/aachen_000000_000019_leftImg8bit": a list,
            or the path of a text file with one a line; masks that lines name besides
            are not heeded. Defaults to None: all.
        labeled: whether to read label maps: `*_gtFine_labelTrainIds.png` where they
            exist, else `*_gtFine_labelIds.png`, mapped. Defaults to True.
        **options: `image_size`, `image_range`, `on_bad_image`, `max_pixels` and
            `follow_links`, as in `from_folder`.

    Returns:
        `Examples`.

    Raises:
        FileNotFoundError: if a directory, the list or a file is missing.
        ValueError: as `from_folder`.

    Example:
        ```python
        labeled = keras_imas.data.cityscapes.read("cityscapes", "train", "labeled.txt")
        ```
    """
    data_dir = Path(user_path(data_dir))
    images = data_dir / "leftImg8bit" / split
    if not labeled:
        return from_folder(images, None, names, **options)
    masks = data_dir / "gtFine" / split
    kind, table = "labelTrainIds", None
    if next(masks.rglob("*_gtFine_labelTrainIds.png"), None) is None:
        kind = "labelIds"
        table = TRAIN_IDS

    def mask_name(name):
        return f"{name.removesuffix('_leftImg8bit')}_gtFine_{kind}.png"

    return from_folder(
        images,
        masks,
        names,
        mask_name=mask_name,
        listed_masks=False,
        label_table=table,
        **options,
    )
