"""Pairs of an image and its mask: what their headers tell against them."""

import concurrent.futures
import os

from keras_imas.data import files
from keras_imas.data.problems import report


def usable(found, origin, classes, on_bad_image, max_pixels):
    """Returns the rows whose headers tell nothing against them."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        bad = list(
            pool.map(
                lambda row: _read_headers(row, classes, on_bad_image, max_pixels), found
            )
        )
    unusable = [
        f"{problem}{row['entry'].place}"
        for row, problem in zip(found, bad, strict=True)
        if problem
    ]
    report(ValueError, f"{origin} has examples that can't be used", unusable)
    found = [row for row, problem in zip(found, bad, strict=True) if not problem]
    report(ValueError, origin, list(_mixed(found)))
    if not found:
        raise ValueError(f"{origin} has no example that can be used.")
    return found


def _mixed(found):
    """Yields what tells that masks don't all mean the same by a value."""
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
            f"{kinds['bits']} has 1 bit a pixel, and {kinds['ids']} more, so that "
            "nobody knows whether its 1 means 1 or 255: save all masks with 8 bits"
        )


def _read_headers(row, classes, on_bad_image, max_pixels):
    """Adds to a row what the headers of its files tell; returns a problem or None."""
    headers = {}
    try:
        str(row["image"]).encode()
    except UnicodeEncodeError:
        return f"{os.fsencode(row['image'])!r} is no name in UTF-8: rename the file"
    for key in ("image", "label_map"):
        if key in row:
            try:
                headers[key] = files.read_header(row[key], max_pixels)
            except (OSError, ValueError) as error:
                if on_bad_image == "skip":  # it will be, when it is read
                    return None
                return f"{row[key]} cannot be read: {error}"
    image = headers["image"]
    row["size"], row["plain"] = image.size, {"image": image.plain}
    problem = files.image_problem(image)
    if problem:
        return f"{row['image']} {problem}"
    if "label_map" not in row:
        return None
    mask = headers["label_map"]
    problem = files.mask_problem(mask, classes)
    if os.path.samefile(row["image"], row["label_map"]):
        problem = "is given as its own mask"
    if problem:
        return f"{row['label_map']} {problem}"
    by_color = files.by_color(mask.mode, classes)
    row["plain"]["label_map"] = mask.plain and mask.mode == "L" and not by_color
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
