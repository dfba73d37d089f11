"""Examples from image files."""

import concurrent.futures
import glob
import os
from collections import Counter
from pathlib import Path

import numpy as np

from keras_imas.data import files
from keras_imas.data.classes import read_class_table
from keras_imas.data.examples import Examples
from keras_imas.data.files import IMAGE_SUFFIXES, MASK_SUFFIXES
from keras_imas.data.lists import Entry, below, read_list
from keras_imas.data.preflight import check_labels
from keras_imas.data.problems import report

# Images among the masks are found too, to tell why they don't serve.
_ANY_SUFFIX = MASK_SUFFIXES + IMAGE_SUFFIXES


def from_folder(
    images,
    masks=None,
    names=None,
    *,
    image_size=None,
    ignore_class=255,
    num_classes=None,
    mask_name=None,
    label_table=None,
    classes=None,
    on_bad_image="error",
):
    """Lists the examples in a folder of images and a folder of masks.

    Nothing is decoded yet, but everything that can be wrong with the list or with the
    files' headers is reported here, before training.

    Args:
        images: directory of images: PNG, JPEG, BMP, GIF, TIFF or WebP, with 8 or 16
            bits, in grey or color; alpha is left out, and what EXIF rotates is rotated.
            Or a pattern such as "photos/*/night_*.jpg".
        masks: directory of masks, or None for unlabeled images. The mask of
            "city/a.jpg" is "city/a.png": one channel of 8 or 16 bits or a palette, a
            class id a pixel, or colors that `classes` lists; as large as the image.
            BMP, GIF, TIFF, lossless WebP and SBD's .mat serve too. Of several
            directories, in a list, the first that has an image's mask counts.
        names: path of a text file, or a list of names, or None for every image in the
            folder and below, sorted. A name is a path relative to `images`, with or
            without suffix; what a list has before the folder's own name is dropped. A
            line may hold the mask's path too, after a tab, comma, semicolon or space.
        image_size: `(height, width)` to resize to when read (images bilinear and
            antialiased, masks nearest), or None for the size of the file.
        ignore_class: the id that `num_classes` does not count. Defaults to 255.
        num_classes: if given, every mask is read now, and ids other than
            0..num_classes − 1 and `ignore_class` are reported.
        mask_name: pattern such as "{}_L.png", or a function, that makes of a name
            without suffix the path of its mask below `masks`. Defaults to the same
            name with any suffix that masks have.
        label_table: class ids, one for each value in the masks, or None if the masks
            hold class ids.
        classes: `keras_imas.data.ClassTable`, or the path of its CSV file, whose colors
            masks hold. Defaults to None: masks hold ids.
        on_bad_image: what happens where a file can't be decoded when it is read:
            "error" stops and names it; "skip" takes the next one, and `Examples.bad`
            tells which were skipped and why. Defaults to "error".

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

    if isinstance(classes, str | os.PathLike):
        classes = read_class_table(classes, ignore_class)
    images, pattern = _split_pattern(images)
    images = _directory("images", images)
    image_index = _index(images, IMAGE_SUFFIXES, pattern)
    if masks is not None:
        mask_folders = _mask_folders(masks)
        mask_name = _mask_name(mask_name)
    entries, origin = _entries(images / pattern if pattern else images, names)
    if names is None:
        entries = [Entry(name) for found in image_index.values() for name in found]
        entries.sort(key=lambda entry: entry.text)
    if not entries:
        raise ValueError(f"{origin} names no images ({', '.join(IMAGE_SUFFIXES)}).")

    found, missing = [], []
    for entry in entries:
        fields = [entry.text]
        image = _locate(images, image_index, entry.text, IMAGE_SUFFIXES)
        if image is None:
            fields = entry.fields()
            image = _locate(images, image_index, fields[0], IMAGE_SUFFIXES)
        if image is None or len(fields) > 2:
            missing.append(_why_not(images, image, fields, entry))
            continue
        row = {"entry": entry, "name": _stem(image), "image": images / image}
        if masks is not None:
            wanted = fields[1] if len(fields) == 2 else mask_name(row["name"])
            row["label_map"] = _find_mask(mask_folders, wanted)
            if row["label_map"] is None:
                expected = _expected(mask_folders[0][0], wanted, MASK_SUFFIXES)
                missing.append(f"no mask {expected} of {images / image}{_at(entry)}")
                continue
        found.append(row)
    report(FileNotFoundError, f"{origin} has examples that can't be used", missing)

    counts = Counter(row["name"] for row in found)
    twice = [str(row["entry"]) for row in found if counts[row["name"]] > 1]
    report(ValueError, f"{origin} has names more than once", twice)
    found = list({row["name"]: row for row in found}.values())

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        bad = list(
            pool.map(lambda row: _read_headers(row, classes, on_bad_image), found)
        )
    unusable = [
        f"{problem}{_at(row['entry'])}"
        for row, problem in zip(found, bad, strict=True)
        if problem
    ]
    report(ValueError, f"{origin} has examples that can't be used", unusable)
    found = [row for row, problem in zip(found, bad, strict=True) if not problem]
    if not found:
        raise ValueError(f"{origin} has no example that can be used.")

    columns = {
        key: tf.constant([os.fspath(row[key]) for row in found])
        for key in ("name", "image", "label_map")
        if key in found[0]
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
        labeled=masks is not None,
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
    images, pattern = _split_pattern(images)
    names = sorted(_index(_directory("images", images), IMAGE_SUFFIXES, pattern))
    mask_folders, mask_name = _mask_folders(masks), _mask_name(mask_name)
    return [name for name in names if _find_mask(mask_folders, mask_name(name))]


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


def _split_pattern(images):
    """Returns a folder and the pattern below it, or None."""
    path = Path(images)
    if os.path.isdir(path) or not glob.has_magic(str(path)):
        return path, None
    fixed = next(i for i, part in enumerate(path.parts) if glob.has_magic(part))
    return Path(*path.parts[:fixed]), "/".join(path.parts[fixed:])


def _directory(argument, path):
    if not os.path.isdir(path):
        raise FileNotFoundError(
            f"`{argument}` must be a directory. Received: {argument}={str(path)!r}, "
            f"which {'is not one' if os.path.exists(path) else 'does not exist'}."
        )
    return Path(path)


def _index(folder, suffixes, pattern=None):
    """Returns a dict from path without suffix to the files' paths, from `folder`."""
    if pattern is not None:
        paths = glob.glob(pattern, root_dir=folder, recursive=True)
    else:
        paths = _walk(folder)
    index = {}
    for path in paths:
        stem, suffix = os.path.splitext(path)
        # "._name.png" is what macOS writes beside "name.png" on foreign disks.
        hidden = os.path.basename(stem).startswith(".")
        if suffix.lower() in suffixes and not hidden:
            stem, path = (text.replace(os.sep, "/") for text in (stem, path))
            index.setdefault(stem, []).append(path)
    return index


def _walk(folder):
    visited = set()
    for directory, subdirectories, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(directory)
        if real in visited:  # a link to a folder above
            subdirectories.clear()
            continue
        visited.add(real)
        relative = os.path.relpath(directory, folder)
        yield from (os.path.normpath(os.path.join(relative, name)) for name in names)


def _entries(images, names):
    """Returns entries, and where they are from."""
    if names is None:
        return [], f"Folder {str(images)!r}"
    if isinstance(names, str | os.PathLike):
        return read_list(names), f"List {str(names)!r}"
    return [Entry(str(name)) for name in names], "`names`"


def _mask_folders(masks):
    """Returns pairs of a folder and its index."""
    masks = [masks] if isinstance(masks, str | os.PathLike) else masks
    folders = [_directory("masks", folder) for folder in masks]
    return [(folder, _index(folder, _ANY_SUFFIX)) for folder in folders]


def _find_mask(mask_folders, name):
    for folder, index in mask_folders:
        path = _locate(folder, index, name, _ANY_SUFFIX)
        if path is not None:
            return folder / path
    return None


def _stem(name):
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in IMAGE_SUFFIXES else name


def _mask_name(pattern):
    if pattern is None:
        return lambda name: name
    return pattern.format if isinstance(pattern, str) else pattern


def _locate(folder, index, name, suffixes):
    """Returns the file of a name, as a path relative to the folder, or None."""
    for relative in below(folder, name):
        stem, suffix = os.path.splitext(relative)
        if suffix.lower() not in suffixes:
            candidates = index.get(relative, ())
            if candidates:  # the order of the suffixes, where there are several
                return min(candidates, key=_suffix_order(suffixes))
        elif relative in index.get(stem, ()):
            return relative
    return None


def _suffix_order(suffixes):
    return lambda path: suffixes.index(os.path.splitext(path)[1].lower())


def _expected(folder, name, suffixes):
    has_suffix = os.path.splitext(name)[1].lower() in suffixes
    return folder / (name if has_suffix else f"{name}{{{','.join(suffixes)}}}")


def _why_not(images, image, fields, entry):
    if len(fields) > 2:
        return (
            f"{entry} has {len(fields)} fields, and a line holds a name, or an image "
            "and its mask"
        )
    if not below(images, fields[0]):
        return f"{entry} is not inside {images}"
    return f"no file {_expected(images, fields[0], IMAGE_SUFFIXES)}{_at(entry)}"


def _at(entry):
    return "" if entry.line is None else f" (line {entry.line})"


def _read_headers(row, classes, on_bad_image):
    """Adds to a row what the headers of its files tell; returns a problem or None."""
    headers = {}
    for key in ("image", "label_map"):
        if key in row:
            try:
                headers[key] = files.read_header(row[key])
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
    problem = files.mask_problem(row["label_map"], mask, classes)
    if problem:
        return f"{row['label_map']} {problem}"
    row["plain"]["label_map"] = (
        mask.plain and mask.mode == "L" and not files.by_color(mask.mode, classes)
    )
    if mask.size != image.size:
        rotation = ""
        if image.rotated:
            rotation = "; EXIF rotates the image, and the mask must fit what is shown"
        return (
            f"{row['label_map']} is {mask.size}, its image {row['image']} is "
            f"{image.size} (height, width); they must have one size{rotation}"
        )
    return None
