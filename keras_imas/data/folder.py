"""Examples from image files."""

import concurrent.futures
import os
from collections import Counter
from pathlib import Path

from keras_imas.data.examples import Examples, check_labels

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
_MAX_PROBLEMS = 10


def from_folder(
    images,
    masks=None,
    names=None,
    *,
    image_size=None,
    ignore_class=255,
    num_classes=None,
    mask_name="{}.png".format,
    label_table=None,
):
    """Lists the examples in a folder of images and a folder of masks.

    Nothing is decoded yet, but everything that can be wrong with the list or with the
    files' headers is reported here, before training.

    Args:
        images: directory of images (PNG, JPEG, BMP or GIF).
        masks: directory of masks, or None for unlabeled images. The mask of
            "city/a.jpg" is "city/a.png": 8-bit, one channel or a palette, a class id a
            pixel, and as large as the image.
        names: path of a text file with one name a line, or a list of names, or None
            for every image in the folder and below, sorted. A name is a path relative
            to `images`, with or without suffix. Blank lines are skipped.
        image_size: `(height, width)` to resize to when read (images bilinear and
            antialiased, masks nearest), or None for the size of the file.
        ignore_class: the id that `num_classes` does not count. Defaults to 255.
        num_classes: if given, every mask is read now, and ids other than
            0..num_classes − 1 and `ignore_class` are reported.
        mask_name: function from a name without suffix to the path of its mask below
            `masks`. Defaults to the same name with ".png".
        label_table: 256 class ids, one for each value in the masks, or None if the
            masks hold class ids.

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

    images = _directory("images", images)
    masks = None if masks is None else _directory("masks", masks)
    entries, origin = _entries(images, names)
    if not entries:
        raise ValueError(f"{origin} names no images ({', '.join(_SUFFIXES)}).")

    stems = [_stem(entry) for _, entry in entries]
    counts = Counter(stems)
    twice = [
        f"{entry!r}{_at(line)}"
        for (line, entry), stem in zip(entries, stems, strict=True)
        if counts[stem] > 1
    ]
    if twice:
        _raise(ValueError, f"{origin} has names more than once", twice)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        found = list(
            pool.map(lambda entry: _find(images, masks, entry[1], mask_name), entries)
        )
    for error in (FileNotFoundError, ValueError):
        problems = [
            f"{problem}{_at(line)}"
            for (line, _), (_, problem, *_) in zip(entries, found, strict=True)
            if isinstance(problem, error)
        ]
        if problems:
            _raise(error, f"{origin} has examples that can't be used", problems)

    files = tuple(str(path) for path, *_ in found)
    columns = {"name": tf.constant(stems), "image": tf.constant(files)}
    if masks is not None:
        columns["mask"] = tf.constant([str(masks / mask_name(stem)) for stem in stems])
        columns["palette"] = tf.constant([palette for *_, palette, _ in found])

    def load(index):
        row = {key: column[index] for key, column in columns.items()}
        example = {
            "image": tf.ensure_shape(
                tf.io.decode_image(
                    tf.io.read_file(row["image"]), channels=3, expand_animations=False
                ),
                (None, None, 3),
            ),
            "name": row["name"],
        }
        if "mask" in row:
            mask = tf.cond(
                row["palette"],
                lambda: tf.numpy_function(_indices, [row["mask"]], tf.uint8),
                lambda: tf.io.decode_png(tf.io.read_file(row["mask"]), 1)[..., 0],
            )
            label_map = tf.cast(tf.ensure_shape(mask, (None, None)), tf.int32)
            if label_table is not None:
                label_map = tf.gather(tf.constant(label_table, tf.int32), label_map)
            example["label_map"] = label_map
        return example

    examples = Examples(
        records=tf.data.Dataset.range(len(files)),
        load=load,
        size=len(files),
        labeled=masks is not None,
        names=tuple(stems),
        files=files,
        image_size=None if image_size is None else tuple(image_size),
        sizes=frozenset(size for *_, size in found),
    )
    if num_classes is not None and examples.labeled:
        check_labels(examples, num_classes, ignore_class)
    return examples


def _directory(argument, path):
    if not os.path.isdir(path):
        raise FileNotFoundError(
            f"`{argument}` must be a directory. Received: {argument}={str(path)!r}, "
            f"which {'is not one' if os.path.exists(path) else 'does not exist'}."
        )
    return Path(path)


def _entries(images, names):
    """Returns pairs of line number (or None) and name, and where they are from."""
    if names is None:
        paths = (path.relative_to(images) for path in images.rglob("*"))
        found = sorted(p.as_posix() for p in paths if p.suffix.lower() in _SUFFIXES)
        return [(None, name) for name in found], f"Folder {str(images)!r}"
    if isinstance(names, str | os.PathLike):
        if not os.path.isfile(names):
            raise FileNotFoundError(
                "`names` must be a text file with one name a line, or a list of names. "
                f"Received: names={str(names)!r}, which is not a file."
            )
        lines = Path(names).read_text(encoding="utf-8").splitlines()
        numbered = enumerate((line.strip() for line in lines), start=1)
        entries = [(number, name) for number, name in numbered if name]
        return entries, f"List {str(names)!r}"
    return [(None, str(name)) for name in names], "`names`"


def _stem(name):
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in _SUFFIXES else name


def _find(images, masks, name, mask_name):
    """Returns path of the image, problem or None, if the mask has a palette, size."""
    from PIL import Image

    stem = _stem(name)
    candidates = [name] if stem != name else [f"{name}{suffix}" for suffix in _SUFFIXES]
    path = next((images / c for c in candidates if (images / c).is_file()), None)
    if path is None:
        expected = images / (
            name if stem != name else f"{name}{{{','.join(_SUFFIXES)}}}"
        )
        return None, FileNotFoundError(f"no file {expected}"), False, None
    mask = masks and masks / mask_name(stem)
    if mask and not mask.is_file():
        return path, FileNotFoundError(f"no file {mask}"), False, None
    sizes = []
    for file in (path, mask) if mask else (path,):
        try:
            with Image.open(file) as image:  # reads the header alone
                sizes.append(image.size[::-1])
                mode = image.mode
        except OSError as error:
            return path, ValueError(f"{file} can't be read: {error}"), False, None
    problem = None
    if mask and mode not in ("L", "P"):
        problem = ValueError(
            f"{mask} has mode {mode!r}, and a mask must be 8-bit with one channel "
            "(mode 'L') or a palette ('P'), whose values are class ids"
        )
    elif mask and sizes[0] != sizes[1]:
        problem = ValueError(
            f"{mask} is {sizes[1]}, its image {path} is {sizes[0]} (height, width); "
            "they must have one size"
        )
    return path, problem, bool(mask) and mode == "P", sizes[0]


def _indices(file):
    """Reads the values of a mask with a palette, which TensorFlow would colorize."""
    import numpy as np
    from PIL import Image

    with Image.open(np.asarray(file).item()) as image:
        return np.array(image)


def _at(line):
    return "" if line is None else f" (line {line})"


def _raise(error, what, problems):
    shown = problems[:_MAX_PROBLEMS]
    if len(problems) > len(shown):
        shown.append(f"and {len(problems) - len(shown)} more")
    raise error(f"{what}:\n  " + "\n  ".join(shown))
