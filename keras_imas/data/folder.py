"""Examples from image files."""

import concurrent.futures
import os
from collections import Counter
from pathlib import PurePosixPath

import numpy as np

from keras_imas.data import files
from keras_imas.data.classes import read_class_table
from keras_imas.data.examples import Examples
from keras_imas.data.files import IMAGE_SUFFIXES, MASK_SUFFIXES
from keras_imas.data.lists import Entry, below, read_list
from keras_imas.data.preflight import check_labels
from keras_imas.data.problems import go_on, report
from keras_imas.data.tree import Tree


def from_folder(
    images,
    masks=None,
    names=None,
    *,
    labeled=True,
    image_size=None,
    ignore_class=255,
    num_classes=None,
    mask_name=None,
    listed_masks=True,
    label_table=None,
    classes=None,
    on_bad_image="error",
    max_pixels=files.MAX_PIXELS,
    follow_links=False,
):
    """Lists the examples in a folder of images and a folder of masks.

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
            name with any suffix that masks have.
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

    Returns:
        `Examples`, whose names are without suffix.

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
    import tensorflow as tf

    files.allow_pixels(max_pixels)
    found = []
    with go_on():
        if isinstance(classes, str | os.PathLike):
            classes = read_class_table(classes, ignore_class)
        tree = Tree("images", images, IMAGE_SUFFIXES)
        folders = _Masks(masks, mask_name, tree) if masks is not None else None
        labeled = labeled and folders is not None
        entries, origin = _entries(tree, names)
        found = _find(entries, origin, tree, folders if labeled else None, listed_masks)
        if not follow_links:
            trees = [tree, *(folders.trees if folders is not None else ())]
            found = _inside(found, origin, trees)
        found = _usable(found, origin, classes, on_bad_image, max_pixels)
    labeled = labeled and masks is not None

    columns = {
        key: tf.constant([os.fspath(row[key]) for row in found], tf.string)
        for key in ("name", "image", *(["label_map"] if labeled else ()))
    }
    plain = {
        key: [row.get("plain", {}).get(key, False) for row in found]
        for key in ("image", "label_map")
    }

    def load(index, wanted=("image", "label_map")):
        paths = {key: columns[key][index] for key in wanted if key in columns}
        example, problem = {}, tf.constant("")
        if paths:
            all_plain = np.all([plain[key] for key in paths], axis=0)
            example, problem = files.load(
                paths,
                tf.constant(all_plain)[index],
                classes,
                small_ids=all(plain["label_map"]),
            )
        if label_table is not None and "label_map" in example:
            example["label_map"] = look_up(label_table, example["label_map"])
        return {**example, "name": columns["name"][index], "problem": problem}

    examples = Examples(
        records=tf.data.Dataset.range(len(found)),
        load=load,
        size=len(found),
        labeled=labeled,
        names=tuple(row["name"] for row in found),
        files=tuple(str(row["image"]) for row in found),
        image_size=None if image_size is None else tuple(image_size),
        sizes=frozenset(row["size"] for row in found if "size" in row),
        on_bad_image=on_bad_image,
    )
    if num_classes is not None and examples.labeled:
        check_labels(examples, num_classes, ignore_class)
    return examples


def with_masks(images, masks, mask_name=None):
    """Lists the names of the images that have a mask.

    Args:
        images: as in `from_folder`.
        masks: as in `from_folder`.
        mask_name: as in `from_folder`.

    Returns:
        List of names, sorted.
    """
    tree = Tree("images", images, IMAGE_SUFFIXES)
    folders = _Masks(masks, mask_name, tree)
    return [name for name in map(files.stem, tree) if folders.find(name) is not None]


def look_up(label_table, label_map):
    """Turns the values of a mask into class ids; what is beyond the table stays.

    Args:
        label_table: class ids, one for each value.
        label_map: integer tensor.

    Returns:
        Integer tensor of the same shape.
    """
    import tensorflow as tf

    label_map = tf.cast(label_map, tf.int32)
    known = tf.logical_and(label_map >= 0, label_map < len(label_table))
    ids = tf.gather(tf.constant(label_table, tf.int32), tf.where(known, label_map, 0))
    return tf.where(known, ids, label_map)


class _Masks:
    """Where the masks of images are found, and that they are no images themselves."""

    def __init__(self, folders, name, images):
        folders = [folders] if isinstance(folders, str | os.PathLike) else folders
        # Images among the masks are found too, to tell why they don't serve.
        self.trees = [
            Tree("masks", folder, MASK_SUFFIXES, IMAGE_SUFFIXES) for folder in folders
        ]
        self.name = _mask_name(name)
        for tree in self.trees:
            _part(images, tree, self.name)

    def find(self, name):
        """Returns the path of the mask of a name without suffix, or None."""
        return self._first(Tree.find, self.name(name))

    def find_listed(self, text):
        """Returns the path of the mask that a list names, or None."""
        return self._first(Tree.find_listed, text)

    def expected(self, name):
        return self.trees[0].expected(self.name(name))

    def _first(self, find, name):
        for tree in self.trees:
            path = find(tree, name)
            if path is not None:
                return tree.folder / path
        return None


def _part(images, masks, mask_name):
    """Leaves masks out of the images, and images out of the masks."""
    to_masks = os.path.relpath(*map(os.path.realpath, (masks.folder, images.folder)))
    inside = {
        path: os.path.normpath(os.path.join(to_masks, path)).replace(os.sep, "/")
        for path in masks
    }
    if to_masks.split(os.sep)[0] not in (".", ".."):
        images.leave_out(inside.values())
        return
    own = {}  # the mask of an image, as a path below the images
    for image in images:
        try:
            mask = masks.find(mask_name(files.stem(image)))
        except ValueError:  # it is said where the mask is needed
            continue
        if mask is not None and inside[mask] != image:
            own[mask] = inside[mask]
    images.leave_out(own.values())
    remaining = set(images)
    masks.leave_out(path for path in inside if inside[path] in remaining)


def _entries(tree, names):
    """Returns entries, and where they are from."""
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
    """Returns a row for each entry whose files are there: their paths and its name."""
    found, wrong = [], []
    for entry in entries:
        try:
            image, listed = _image_and_mask(entry, tree, masks is None)
            row = {
                "entry": entry,
                "name": files.stem(image),
                "image": tree.folder / image,
            }
            if masks is not None:
                if listed is not None and listed_masks:
                    mask = masks.find_listed(listed)
                    expected = masks.trees[0].expected(listed)
                else:
                    mask = masks.find(row["name"])
                    expected = masks.expected(row["name"])
                if mask is None:
                    raise ValueError(f"no mask {expected} of {row['image']}")
                row["label_map"] = mask
        except ValueError as error:
            wrong.append(f"{error}{_at(entry)}")
        else:
            found.append(row)
    report(FileNotFoundError, f"{origin} has examples that can't be used", wrong)

    counts = Counter(row["name"] for row in found)
    twice = [str(row["entry"]) for row in found if counts[row["name"]] > 1]
    report(ValueError, f"{origin} has names more than once", twice)
    return list({row["name"]: row for row in found}.values())


def _image_and_mask(entry, tree, unlabeled):
    """Returns the image of an entry below the tree, and the mask it names, or None."""
    image = tree.find_listed(entry.text)
    if image is not None:
        return image, None
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
        raise ValueError(f"no file {tree.expected(fields[0])}")
    return image, fields[1] if len(fields) == 2 else None


def _mask_name(pattern):
    if pattern is None:
        return lambda name: name
    if not isinstance(pattern, str):
        return pattern
    try:
        made = [pattern.format(name) for name in ("a", "b")]
    except (LookupError, ValueError, AttributeError):
        made = ["", ""]
    if made[0] == made[1]:
        raise ValueError(
            "`mask_name` must have {} where the image's name comes, such as {}_L.png. "
            f"Received: mask_name={pattern!r}"
        )
    return pattern.format


def _at(entry):
    return "" if entry.line is None else f" (line {entry.line})"


def _inside(found, origin, trees):
    """Returns the rows whose files are in the folders, and not elsewhere by a link."""
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
                    f"folder{_at(row['entry'])}"
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


def _usable(found, origin, classes, on_bad_image, max_pixels):
    """Returns the rows whose headers tell nothing against them."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        bad = list(
            pool.map(
                lambda row: _read_headers(row, classes, on_bad_image, max_pixels), found
            )
        )
    unusable = [
        f"{problem}{_at(row['entry'])}"
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
