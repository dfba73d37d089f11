"""Examples from image files."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Literal

from keras_imas.batch_checks import check_num_classes
from keras_imas.data import files
from keras_imas.data.classes import ClassTable, mask_values, read_class_table
from keras_imas.data.examples import Examples
from keras_imas.data.file_reader import FileReader
from keras_imas.data.files import IMAGE_SUFFIXES
from keras_imas.data.lists import Entry, below, no_comment, read_list
from keras_imas.data.mask_files import Masks
from keras_imas.data.pairs import Reading, usable
from keras_imas.data.passed_over import passed_over
from keras_imas.data.pixels import checked_range
from keras_imas.data.preflight import check_labels
from keras_imas.data.problems import go_on, notice, report
from keras_imas.data.tree import Tree
from keras_imas.typing import Names, Size, StrPath

# Class ids by the value in binary masks; other values stay, and are no class.
_BINARY = (*range(255), 1)


def from_folder(
    images: StrPath,
    masks: StrPath | Sequence[StrPath] | None = None,
    names: Names | None = None,
    *,
    labeled: bool = True,
    image_size: Size | None = None,
    ignore_class: int | None = 255,
    num_classes: int | None = None,
    mask_name: str | Callable[[str], str] | None = None,
    listed_masks: bool = True,
    label_table: Sequence[int] | None = None,
    classes: ClassTable | StrPath | None = None,
    on_bad_image: Literal["error", "skip"] = "error",
    max_pixels: int = files.MAX_PIXELS,
    follow_links: bool = False,
    image_range: tuple[float, float] | None = None,
    binary_masks: bool = False,
) -> Examples:
    """List the examples in a folder of images and a folder of masks.

    Nothing is decoded yet, but everything that can be wrong with the list or with the
    files' headers is reported here, before training.

    Args:
        images: directory of images: PNG, JPEG, BMP, GIF, TIFF or WebP, with 8 or 16
            bits, in grey or color; alpha is left out, and what EXIF rotates is rotated.
            Or a pattern such as "photos/*/night_*.jpg". What is hidden is left out, and
            what is a mask: `masks` may be the same folder, or one in it.
        masks: directory of masks, or None for unlabeled images. The mask of
            "city/a.jpg" is "city/a.png": one channel of 8 or 16 bits or a palette, a
            class id a pixel, or colors that `classes` lists; as large as the image.
            BMP, TIFF, lossless WebP, SBD's .mat and, for colors, GIF serve too. Of
            several directories, in a list, the first that has an image's mask counts.
        names: path of a text file, or a list of names, or None for every image in the
            folder and below, sorted. A name is a path relative to `images`, with or
            without suffix; what a list has before the folder's own name is dropped. A
            line may hold the mask's path too, after a tab, comma, semicolon or space.
        labeled: whether to read masks, if there are any. Defaults to True.
        image_size: `(height, width)` to resize to when read (images bilinear and
            antialiased, masks nearest), or None for the size of the file.
        ignore_class: the id that `num_classes` does not count. Defaults to 255.
        num_classes: if given, every mask is read now, and ids other than
            0..num_classes − 1 and `ignore_class` are reported.
        mask_name: pattern such as "{}_L.png", or a function, that makes of a name
            without suffix the path of its mask below `masks`. Defaults to the same
            name with any suffix that masks have; else, for "a.jpg", "a.jpg.png" or
            "a_mask.png".
        listed_masks: whether a mask that a line names counts, and not the one that
            `mask_name` makes. Defaults to True.
        label_table: class ids, one for each value in the masks, or None if the masks
            hold class ids.
        classes: `keras_imas.data.ClassTable`, or the path of its CSV file, whose colors
            masks hold. Defaults to None: masks hold ids.
        on_bad_image: what happens where a file can't be decoded when it is read:
            "error" stops and names it; "skip" takes the next one, and `Examples.bad`
            tells which were skipped and why. Defaults to "error".
        max_pixels: pixels an image or mask may have; larger ones, such as decompression
            bombs, are refused undecoded. Defaults to 89,478,485.
        follow_links: whether symbolic links below the folders may lead out of them. The
            folders themselves may always be links. Defaults to False.
        image_range: `(low, high)`, the values in images that become 0 and 255, such as
            (0, 4095) for 12 bits in files of 16; what is beyond becomes these too.
            With it, images may have 32 bits, or floats. Defaults to None: all that 8 or
            16 bits can hold.
        binary_masks: whether masks hold 0 for the background and 1 or 255 for one kind
            of object; both are class 1, whatever `ignore_class` is. Defaults to False.

    Returns:
        `Examples`, whose names are without suffix, unless that is another image's path.

    Raises:
        FileNotFoundError: if a directory, the list or a file is missing.
        ValueError: if the list is empty or has a name twice, or if a file can't be
            used.

    Example:
        ```python
        labeled = keras_imas.data.from_folder(
            "camvid/images/train",
            "camvid/masks/train",
            "camvid/splits/1_16_seed0/labeled.txt",
        )
        ```
    """
    check_num_classes(num_classes, ignore_class)
    image_range = checked_range(image_range)
    if binary_masks and (classes is not None or label_table is not None):
        raise ValueError("Only one of `binary_masks`, `classes` and `label_table` fits")
    if binary_masks:
        label_table = _BINARY
    files.allow_pixels(max_pixels)
    found = []
    with go_on():
        if isinstance(classes, str | os.PathLike):
            classes = read_class_table(classes, ignore_class)
        tree = Tree("images", images, IMAGE_SUFFIXES)
        folders = Masks(masks, mask_name, tree) if masks is not None else None
        labeled = labeled and folders is not None
        entries, origin = _entries(tree, names)
        # Official data sets have masks besides; a list may name masks by itself.
        by_name = labeled and listed_masks and not _names_masks(entries, tree)
        for what in passed_over(tree, folders, by_name, classes is not None):
            notice(*what)
        found = _find(entries, origin, tree, folders if labeled else None, listed_masks)
        if not follow_links:
            trees = [tree, *(folders.trees if folders is not None else ())]
            found = _inside(found, origin, trees)
        reading = Reading(classes, on_bad_image, max_pixels, image_range, binary_masks)
        found = usable(found, origin, reading)
    labeled = labeled and masks is not None

    keys = ("image", *(["label_map"] if labeled else ()))
    reader = FileReader(
        names=tuple(row["name"] for row in found),
        paths={key: [os.fspath(row[key]) for row in found] for key in keys},
        plain={
            key: [row.get("plain", {}).get(key, False) for row in found]
            for key in ("image", "label_map")
        },
        classes=classes,
        image_range=image_range,
        label_table=label_table,
        one_object=binary_masks,
        max_pixels=max_pixels,
    )
    size_counts = dict(Counter(row["size"] for row in found if "size" in row))
    by_color = any(row.get("mask_kind") == "colors" for row in found)
    examples = Examples(
        load=reader.load,
        fetch=reader.fetch,
        size=len(found),
        labeled=labeled,
        names=reader.names,
        files=tuple(str(row["image"]) for row in found),
        mask_files=tuple(str(row["label_map"]) for row in found) if labeled else None,
        image_size=None if image_size is None else tuple(image_size),
        sizes=frozenset(size_counts),
        size_counts=size_counts,
        deep=tuple(row.get("deep", False) for row in found),
        image_range=image_range,
        by_color=by_color,
        mask_values=mask_values(classes.mask_colors if by_color else {}, label_table),
        on_bad_image=on_bad_image,
    )
    if num_classes is not None and examples.labeled:
        check_labels(examples, num_classes, ignore_class)
    return examples


def with_masks(
    images: StrPath,
    masks: StrPath | Sequence[StrPath],
    mask_name: str | Callable[[str], str] | None = None,
) -> list[str]:
    """List the names of the images that have a mask.

    Args:
        images: as in `from_folder`.
        masks: as in `from_folder`.
        mask_name: as in `from_folder`.

    Returns:
        List of names, sorted.
    """
    tree = Tree("images", images, IMAGE_SUFFIXES)
    folders = Masks(masks, mask_name, tree)
    names = [tree.name(image) for image in tree if folders.find(image) is not None]
    if not names:
        for what in passed_over(tree, folders):
            notice(*what)
    return names


def _entries(tree, names):
    """Return entries, and where they are from."""
    if names is None:
        entries, origin = [Entry(path) for path in tree], f"Folder {str(tree.where)!r}"
    elif isinstance(names, str | os.PathLike):
        entries, origin = read_list(names), f"List {str(names)!r}"
    else:
        entries, origin = [Entry(str(name)) for name in names], "`names`"
    if not entries:
        raise ValueError(f"{origin} names no images ({', '.join(IMAGE_SUFFIXES)}).")
    return entries, origin


def _find(entries, origin, tree, masks, listed_masks):
    """Return a row for each entry whose files are there: their paths and its name."""
    found, wrong = [], []
    for entry in entries:
        try:
            image, listed = _image_and_mask(entry, tree, masks is None)
            row = {
                "entry": entry,
                "name": tree.name(image),
                "image": tree.folder / image,
            }
            if masks is not None:
                listed = listed if listed_masks else None
                mask = (
                    masks.find(image) if listed is None else masks.find_listed(listed)
                )
                if mask is None:
                    raise ValueError(f"no mask {masks.missing(image, listed)}")
                row["label_map"] = mask
        except ValueError as error:
            wrong.append(f"{error}{entry.place}")
        else:
            found.append(row)
    report(FileNotFoundError, f"{origin} has examples that can't be used", wrong)

    counts = Counter(row["name"] for row in found)
    twice = [str(row["entry"]) for row in found if counts[row["name"]] > 1]
    report(ValueError, f"{origin} has names more than once", twice)
    return list({row["name"]: row for row in found}.values())


def _image_and_mask(entry, tree, unlabeled):
    """Return the image of an entry below the tree, and the mask it names, or None."""
    image = tree.find_listed(entry.text)
    if image is not None:
        return image, None
    if entry.text.startswith("#"):
        raise ValueError(no_comment(entry))
    fields = entry.fields()
    if not 1 <= len(fields) <= 2:
        raise ValueError(
            f"{entry.text} has {len(fields)} fields, and a line holds a name, or an "
            "image and its mask"
        )
    suffixes = [PurePosixPath(field).suffix.lower() for field in fields]
    if unlabeled and len(fields) == 2 and suffixes[1] and not suffixes[0]:
        fields = [entry.text]  # a name with a space in it, and no pair
    image = tree.find_listed(fields[0])
    if image is None:
        if not below(tree.folder, fields[0]):
            raise ValueError(f"{entry.text} is not inside {tree.folder}")
        instead = tree.instead(fields[0])
        raise ValueError(f"no file {tree.expected(fields[0])}{instead}")
    return image, fields[1] if len(fields) == 2 else None


def _names_masks(entries, tree):
    """Tell whether a list names masks, which may be others than those of the names."""
    for entry in entries:
        if entry.line is None:
            continue
        try:
            if _image_and_mask(entry, tree, unlabeled=False)[1] is not None:
                return True
        except ValueError:  # it is said where the image is needed
            continue
    return False


def _inside(found, origin, trees):
    """Return the rows whose files are in the folders, and not elsewhere by a link."""
    roots = [tree.real_path("") for tree in trees]
    inside, outside = [], []
    for row in found:
        leads = []
        for key in ("image", "label_map"):
            tree = next((t for t in trees if _is_below(row.get(key), t.folder)), None)
            if tree is None:
                continue
            real = tree.real_path(os.path.relpath(row[key], tree.folder))
            if not any(os.path.commonpath([root, real]) == root for root in roots):
                leads.append(
                    f"{row[key]} is a link to {real}, which is outside of the "
                    f"folder{row['entry'].place}"
                )
        outside += leads
        if not leads:
            inside.append(row)
    if outside:
        outside[0] += ". Pass `follow_links` if you trust such links"
    report(ValueError, f"{origin} has examples that can't be used", outside)
    return inside


def _is_below(path, folder):
    return path is not None and path.is_relative_to(folder)
