"""Pairs of an image and its mask: what their headers tell against them."""

import concurrent.futures
import dataclasses
import math
import os

import numpy as np

from keras_imas.data import files, pixels
from keras_imas.data.classes import ClassTable
from keras_imas.data.problems import report


@dataclasses.dataclass(frozen=True)
class Reading:
    """How images and masks are read.

    Attributes:
        classes: `ClassTable` whose colors stand for classes, or None.
        on_bad_image: "error" or "skip".
        max_pixels: pixels that a file may have.
        image_range: values of black and white, or None: all that the bits can hold.
        binary_masks: whether masks hold 0 and one other value.
    """

    classes: ClassTable | None = None
    on_bad_image: str = "error"
    max_pixels: int = files.MAX_PIXELS
    image_range: tuple | None = None
    binary_masks: bool = False


def usable(found, origin, reading):
    """Return the rows whose headers tell nothing against them."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        bad = list(pool.map(lambda row: _read_headers(row, reading), found))
    unusable = [
        f"{problem}{row['entry'].place}"
        for row, problem in zip(found, bad, strict=True)
        if problem
    ]
    report(ValueError, f"{origin} has examples that can't be used", unusable)
    found = [row for row, problem in zip(found, bad, strict=True) if not problem]
    binary = reading.binary_masks
    mixed = () if binary else _mixed(found)
    report(ValueError, origin, [*mixed, *_palettes_that_differ(found, binary)])
    if not found:
        raise ValueError(f"{origin} has no example that can be used.")
    return found


def _mixed(found):
    """Yield what tells that masks don't all mean the same by a value."""
    kinds = {}
    for row in found:
        if "mask_kind" in row:
            kinds.setdefault(row["mask_kind"], row["label_map"])
    if kinds.keys() >= {"colors", "ids"}:
        yield (
            f"{kinds['colors']} has colors of the table, and {kinds['ids']} is grey: "
            "save all masks in one way"
        )
    if kinds.keys() >= {"ids", "bits"}:
        yield (
            f"{kinds['bits']} has 1 bit a pixel, and {kinds['ids']} more, so it is "
            "unclear whether its 1 means 1 or 255: save all masks with 8 bits"
        )


def _palettes_that_differ(found, binary):
    """Yield the first index that has two colors, in masks that hold ids.

    Of binary masks that is the background's alone: all others mean the object.
    """
    masks = [
        (row["label_map"], row["palette"])
        for row in found
        if row.get("palette") and row["mask_kind"] == "ids"
    ]
    longest = max((palette for _, palette in masks), key=len, default=b"")
    if all(longest.startswith(palette) for _, palette in masks):
        return
    colors = {}  # of each index that a mask uses, with the mask
    for path, palette in masks:
        try:
            indices = np.unique(pixels.read_mask(path, max_pixels=math.inf)).tolist()
        except (OSError, ValueError):  # it is said where the mask is read
            continue
        for index in {0}.intersection(indices) if binary else indices:
            color = tuple(palette[3 * index : 3 * index + 3])
            first, other = colors.setdefault(index, (color, path))
            if color != first:
                yield (
                    f"the palettes of masks differ: {index} is {color} in {path}, and "
                    f"{first} in {other}, so it is unclear whether it means one "
                    "class. To read them by color pass a table of the classes, classes="
                )
                return


def _read_headers(row, reading):
    """Add to a row what the headers of its files tell; return a problem or None."""
    headers = {}
    try:
        str(row["image"]).encode()
    except UnicodeEncodeError:
        return f"{os.fsencode(row['image'])!r} is not valid UTF-8: rename the file"
    for key in ("image", "label_map"):
        if key in row:
            try:
                headers[key] = files.read_header(row[key], reading.max_pixels)
            except (OSError, ValueError) as error:
                if reading.on_bad_image == "skip":  # it will be, when it is read
                    break
                return f"{row[key]} cannot be read: {error}"
    if "image" not in headers:
        return None
    image = headers["image"]
    row["size"], row["deep"] = image.size, image.bits > 8
    row["plain"] = {"image": image.plain and reading.image_range is None}
    problem = files.image_problem(image, reading.image_range)
    if problem:
        return f"{row['image']} {problem}"
    if "label_map" not in headers:
        return None
    mask = headers["label_map"]
    problem = files.mask_problem(mask, reading.classes)
    if os.path.samefile(row["image"], row["label_map"]):
        problem = "is given as its own mask"
    if problem:
        return f"{row['label_map']} {problem}"
    by_color = files.by_color(mask.mode, reading.classes)
    row["plain"]["label_map"] = mask.plain and mask.mode == "L" and not by_color
    row["palette"] = mask.palette
    row["mask_kind"] = "colors" if by_color else "bits" if mask.mode == "1" else "ids"
    if mask.size != image.size:
        rotation = ""
        if image.rotated:
            rotation = "; EXIF rotates the image, and the mask must fit what is shown"
        return (
            f"{row['label_map']} is {mask.size}, its image {row['image']} is "
            f"{image.size} (height, width); they must have one size{rotation}"
        )
    return None
