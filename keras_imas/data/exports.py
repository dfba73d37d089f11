"""Labels as annotation tools export them, which are recognized and not read."""

import os
import re

# In the folder above, where many other files may be, only these are looked at.
_NAMES = (
    "labelmap.txt",
    "_classes.csv",
    "_annotations.coco.json",
    "annotations.json",
    "annotations.xml",
)
_SUFFIXES = (".json", ".xml", ".txt", ".csv")
# A tool may write a file for each image, all of one kind.
_MOST_FILES = 20
_HEAD = 1 << 16

_BRUSH = re.compile(r"task-\d+-annotation-\d+-.*tag-.+-\d+\.png$")

# What a file has within its first bytes, whose it is, and what to do.
_KINDS = (
    (
        ("# label:color_rgb",),
        "CVAT's table of colors: write its rows as name,r,g,b for classes=",
    ),
    (
        ("Pixel Value", "Class"),
        "Roboflow's table of ids: write its rows as name,id for classes=",
    ),
    (
        ('"annotations"', '"categories"'),
        "COCO's polygons: draw a mask of class ids for each image",
    ),
    (
        ('"categories"', '"images"'),
        "COCO's polygons: draw a mask of class ids for each image",
    ),
    (
        ('"shapes"', '"imagePath"'),
        "LabelMe's polygons: draw a mask of class ids for each image",
    ),
    (
        ('"from_name"', '"annotations"'),
        "Label Studio's labels: draw a mask of class ids for each image",
    ),
    (
        ("<annotations>", "<image "),
        "CVAT's polygons: draw a mask of class ids for each image",
    ),
)


def recognized(folders, masks=()):
    """List the label files of annotation tools in folders and right above them.

    Args:
        folders: paths of folders.
        masks: paths of masks, of which those of Label Studio's brush are recognized.
            Defaults to none.

    Returns:
        List of strings: each file, whose it is, and what to do.
    """
    found = {}
    for folder in map(os.path.abspath, folders):
        for path in [*_beside(folder), *_above(folder)]:
            found.setdefault(path, known_as(path))
    told = [f"{path} is {what}" for path, what in found.items() if what]
    brush = [path for path in masks if _BRUSH.match(os.path.basename(path))]
    if brush:
        told.append(
            f"{brush[0]} is one class of one image, as Label Studio's brush exports "
            "it: join those of an image into one mask of class ids"
        )
    return told


def known_as(path):
    """Tell whose label file this is.

    Args:
        path: path of a file.

    Returns:
        String, or None if it is of no tool that is known.
    """
    try:
        if not os.path.isfile(path):
            return None
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            head = file.read(_HEAD)
    except OSError:
        return None
    return next((what for marks, what in _KINDS if all(m in head for m in marks)), None)


def _beside(folder):
    try:
        with os.scandir(folder) as entries:
            paths = [e.path for e in entries if e.name.lower().endswith(_SUFFIXES)]
    except OSError:
        return []
    return sorted(paths)[:_MOST_FILES]


def _above(folder):
    return [os.path.join(os.path.dirname(folder), name) for name in _NAMES]
