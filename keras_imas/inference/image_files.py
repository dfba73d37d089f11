"""Predict image files, and write masks, overlays and confidence maps."""

import collections
import concurrent.futures
import csv
import hashlib
import json
import pathlib

import keras
import numpy as np
from PIL import Image

from keras_imas.data import files
from keras_imas.data.size_multiple import size_multiple
from keras_imas.data.tree import Tree
from keras_imas.inference import drawing
from keras_imas.inference.predictor import Predictor
from keras_imas.whole_file import whole_file, write_whole

# Larger images are predicted by a window, so that they fit into memory.
_WHOLE_PIXELS = 2048 * 2048
_WINDOW = 1024
_READ_AHEAD = 4
_SUFFIXES = {"masks": ".png", "overlays": ".jpg", "confidence": ".png"}


def find_images(where, leave_out=None):
    """Find image files and name them.

    Args:
        where: Path of an image; of a folder, which is searched with its subfolders; or
            a pattern such as `"photos/*/night_*.jpg"`. Hidden files are skipped.
        leave_out: Folder to skip. Defaults to `None`.

    Returns:
        Dict from name to path. The name is the path below the folder, without its
        suffix unless two images differ in nothing else.

    Raises:
        FileNotFoundError: If the path does not exist, or holds no images.
    """
    where = pathlib.Path(where)
    if where.is_file():
        folder, found = where.parent, [where.name]
    else:
        tree = Tree("input", where, files.IMAGE_SUFFIXES)
        folder, found = tree.folder, list(tree)
    if leave_out is not None:
        outside = pathlib.Path(leave_out).resolve()
        found = [p for p in found if outside not in (folder / p).resolve().parents]
    if not found:
        raise FileNotFoundError(
            f"There are no images ({', '.join(files.IMAGE_SUFFIXES)}) in {str(where)!r}"
        )
    counts = collections.Counter(map(files.stem, found))
    return {
        files.stem(path) if counts[files.stem(path)] == 1 else path: folder / path
        for path in found
    }


def predict_files(
    network,
    images,
    output_dir,
    classes,
    *,
    made_by=None,
    overlays=True,
    confidence=False,
    opacity=0.5,
    window=None,
    verbose="auto",
    **prediction,
):
    """Predict image files, and write what the network finds.

    Write into `output_dir`, for each image: `masks/NAME.png`, the class ids, with the
    classes' colors as palette; `overlays/NAME.jpg`, the colors over the image;
    `confidence/NAME.png`, the probability of the predicted class, 0..255. Also write
    `classes.csv`, which `keras_imas.data.read_class_table` reads, and
    `predictions.json`. Skip images that have all their files, so that the same call
    resumes where one stopped, and images that can't be read.

    Args:
        network: Built Keras model from images to logits.
        images: Dict from name to path, as `find_images` returns it.
        output_dir: Directory to write into: new, empty, or that of an earlier call.
        classes: `keras_imas.data.ClassTable` with colors.
        made_by: Path of the network's file, so that predictions of two networks are
            never mixed. Defaults to `None`: not checked.
        overlays: Whether to write overlays. Defaults to `True`.
        confidence: Whether to write confidence maps. Defaults to `False`.
        opacity: Share of the colors in an overlay, in [0, 1]. Defaults to `0.5`.
        window: Side of a sliding window, or `(height, width)`. Defaults to `None`: the
            size that the network is built for; if it takes any size, whole images, or
            windows of 1024 for images of more than 2048 times 2048 pixels.
        verbose: 1 or `"auto"` for a progress bar. Defaults to `"auto"`.
        **prediction: More arguments of `keras_imas.inference.Predictor`, such as
            `flip` and `scales`.

    Returns:
        Dict: how many images were `"predicted"` now, how many were `"kept"` from
        before, and `"skipped"`, a dict from path to reason.

    Raises:
        FileExistsError: If `output_dir` holds other files, or predictions made in
            another way.
    """
    output_dir = pathlib.Path(output_dir)
    kinds = ["masks", *["overlays"] * overlays, *["confidence"] * confidence]
    window = window or _fixed_size(network)
    settings = {"window": window, **prediction}
    if made_by is not None:
        digest = hashlib.sha256(pathlib.Path(made_by).read_bytes()).hexdigest()
        settings = {"model": str(made_by), "model_sha256": digest, **settings}
    settings = json.loads(json.dumps(settings))  # as it is read back
    _claim(output_dir, settings)
    _write_classes(output_dir / "classes.csv", classes)

    def target(kind, name):
        return output_dir / kind / f"{name}{_SUFFIXES[kind]}"

    missing = {
        name: path
        for name, path in images.items()
        if not all(target(kind, name).is_file() for kind in kinds)
    }
    results = {"kept": len(images) - len(missing), "predicted": 0, "skipped": {}}
    bar = None
    if verbose in (1, "auto") and missing:
        bar = keras.utils.Progbar(len(missing), unit_name="image")
    colors = np.asarray(classes.colors, "uint8")

    def write(name, image, probabilities):
        label_map = probabilities.argmax(axis=-1)
        pictures = {"masks": _mask(label_map, colors)}
        if overlays:
            painted = drawing.colorize(label_map, colors)
            mixed = (1 - opacity) * image + opacity * painted
            pictures["overlays"] = Image.fromarray(mixed.astype("uint8"))
        if confidence:
            sure = np.round(255 * probabilities.max(axis=-1))
            pictures["confidence"] = Image.fromarray(sure.astype("uint8"))
        for kind, picture in pictures.items():
            path = target(kind, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as part:
                picture.save(part, quality=90)
        results["predicted"] += 1
        if bar:
            bar.add(1)

    def skip(path, reason):
        results["skipped"][str(path)] = str(reason)
        if bar:
            bar.add(1)

    with concurrent.futures.ThreadPoolExecutor(_READ_AHEAD) as pool:
        for views, names in _passes(missing, window, pool, skip):
            predictor = Predictor(network, **views, **prediction)
            waiting = collections.deque()

            def pixels(names=names, waiting=waiting):
                read = _read_ahead([missing[name] for name in names], pool)
                for name, (image, problem) in zip(names, read, strict=True):
                    if problem:
                        skip(missing[name], problem)
                    else:
                        waiting.append((name, image))
                        yield image

            for probabilities in predictor(pixels()):
                write(*waiting.popleft(), probabilities)
    content = {**settings, "classes": classes.names, **results}
    write_whole(output_dir / "predictions.json", json.dumps(content, indent=1) + "\n")
    return results


def _fixed_size(network):
    """Return the `(height, width)` that a network is built for, or `None`."""
    size = getattr(network, "input_shape", (None,) * 4)[1:3]
    return None if None in size else size


def _claim(output_dir, settings):
    """Make the directory; raise if it holds other files or other predictions."""
    made = output_dir / "predictions.json"
    if made.is_file():
        before = json.loads(made.read_text())
        other = [k for k, v in settings.items() if k != "model" and before.get(k) != v]
        if other:
            changes = [f"{k}={before.get(k)!r}, now {settings[k]!r}" for k in other]
            raise FileExistsError(
                f"{str(output_dir)!r} holds predictions that were made in another way: "
                f"{'; '.join(changes)}. Choose another directory, or remove it"
            )
        return
    if output_dir.exists() and (not output_dir.is_dir() or any(output_dir.iterdir())):
        raise FileExistsError(
            f"{str(output_dir)!r} is not empty and holds no predictions, and nothing "
            "is overwritten. Choose another directory"
        )
    output_dir.mkdir(parents=True, exist_ok=True)
    write_whole(made, json.dumps(settings, indent=1) + "\n")


def _write_classes(path, classes):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "id", "r", "g", "b"])
        for number, (name, color) in enumerate(
            zip(classes.names, classes.colors, strict=True)
        ):
            writer.writerow([name, number, *color])


def _passes(images, window, pool, skip):
    """Yield `(options, names)`: the images that one `Predictor` predicts, and how."""
    sizes = {}
    for name, (header, problem) in zip(
        images, pool.map(_header, images.values()), strict=True
    ):
        if problem:
            skip(images[name], problem)
        else:
            sizes[name] = header.size
    if window:
        yield {"window": window}, list(sizes)
        return
    whole = [n for n, (h, w) in sizes.items() if h * w <= _WHOLE_PIXELS]
    yield {"size_multiple": size_multiple(sizes[name] for name in whole)}, whole
    large = [n for n, (h, w) in sizes.items() if h * w > _WHOLE_PIXELS]
    if large:
        yield {"window": _WINDOW}, large


def _header(path):
    try:
        header = files.read_header(path)
        return header, files.image_problem(header)
    except (OSError, ValueError) as error:
        return None, f"cannot be read: {error}"


def _read_ahead(paths, pool):
    """Yield `(image, problem)` of each file, decoding a few files ahead."""

    def read(path):
        try:
            return files.read_image(path), None
        except Exception as error:  # decoders raise errors of many types
            return None, f"cannot be read: {error}"

    futures = collections.deque()
    for path in paths:
        futures.append(pool.submit(read, path))
        if len(futures) > _READ_AHEAD:
            yield futures.popleft().result()
    while futures:
        yield futures.popleft().result()


def _mask(label_map, colors):
    """Return class ids as an image: with a palette, or 16 bits for over 256 classes."""
    if len(colors) > 256:
        return Image.fromarray(label_map.astype("uint16"))
    mask = Image.fromarray(label_map.astype("uint8"))
    mask.putpalette(colors.tobytes())
    return mask
