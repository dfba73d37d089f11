"""Predict image files, and write masks, overlays and confidence maps."""

import collections
import concurrent.futures
import csv
import errno
import functools
import pathlib

import numpy as np
from keras import ops
from PIL import Image, PngImagePlugin

from keras_imas.backends.compiled import compiled
from keras_imas.data import files, pixels
from keras_imas.data.pixels import resized
from keras_imas.data.read_ahead import ahead
from keras_imas.data.size_multiple import size_multiple
from keras_imas.data.tree import Tree
from keras_imas.files import standard_json
from keras_imas.files.csv_text import to_cell
from keras_imas.files.user_path import user_path
from keras_imas.files.whole_file import whole_file, write_whole
from keras_imas.inference import drawing
from keras_imas.inference.network_digest import network_digest
from keras_imas.inference.predictions_folder import (
    LISTED,
    MADE_FROM,
    claimed,
    made_from,
    source_digest,
)
from keras_imas.inference.predictor import Predictor
from keras_imas.models.resize import resize_bilinear
from keras_imas.models.size_rule import size_rule
from keras_imas.progress import Progress

# Larger images are predicted by a window, so that they fit into memory.
_WHOLE_PIXELS = 2048 * 2048
_WINDOW = 1024
_READ_AHEAD = 4
_ABOUT_NAMES = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)
# Masks are written last: one that is there tells that the others are, too.
_SUFFIXES = {"overlays": ".jpg", "confidence": ".png", "masks": ".png"}


def find_images(where, leave_out=None):
    """Find image files and name them.

    Args:
        where: Path of an image; of a folder, which is searched with its subfolders; or
            a pattern such as `"photos/*/night_*.jpg"`. Hidden files are skipped.
        leave_out: Folder to skip. Defaults to `None`.

    Returns:
        Dict from name to path. The name is the path below the folder, without its
        suffix unless that is the name of another image, such as of `a.jpg` and `a.png`.

    Raises:
        FileNotFoundError: If the path does not exist, or holds no images.
    """
    where = pathlib.Path(user_path(where))
    if where.is_file():
        folder, found = where.parent, [where.name]
    else:
        tree = Tree("input", where, files.IMAGE_SUFFIXES)
        folder, found = tree.folder, list(tree)
    if leave_out is not None:
        outside = pathlib.Path(user_path(leave_out)).resolve()
        found = [p for p in found if outside not in (folder / p).resolve().parents]
    if not found:
        raise FileNotFoundError(
            f"There are no images ({', '.join(files.IMAGE_SUFFIXES)}) in {str(where)!r}"
        )
    # A name counts for each image that might have it.
    counts = collections.Counter(
        name for path in found for name in {path, files.stem(path)}
    )
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
    image_size=None,
    image_range=None,
    window=None,
    max_pixels=files.MAX_PIXELS,
    verbose="auto",
    **prediction,
):
    """Predict image files, and write what the network finds.

    Write into `output_dir`, for each image: `masks/NAME.png`, the class ids, with the
    classes' colors as palette; `overlays/NAME.jpg`, the colors over the image;
    `confidence/NAME.png`, the probability of the predicted class, 0..255. Also write
    `classes.csv`, which `keras_imas.data.read_class_table` reads, and
    `predictions.json`. Skip images that can't be read, or whose names are too long, and
    those that have all their files, so that the same call resumes where one stopped:
    each mask tells which image and network it was made from, and is made anew where
    the image was replaced.

    Args:
        network: Built Keras model from images to logits.
        images: Dict from name to path, as `find_images` returns it.
        output_dir: Directory to write into: new, empty, or that of an earlier call.
        classes: `keras_imas.data.ClassTable` with colors.
        made_by: Path of the network's file, for `predictions.json`. Defaults to `None`:
            not told.
        overlays: Whether to write overlays. Defaults to `True`.
        confidence: Whether to write confidence maps. Defaults to `False`.
        opacity: Share of the colors in an overlay, in [0, 1]. Defaults to `0.5`.
        image_size: `(height, width)` that the network sees images in, as it did in
            training; masks have the images' own size. Defaults to `None`: their own.
        image_range: `(low, high)`, the values in the files that become black and white,
            as they did in training. Defaults to `None`: those that the bits can hold.
        window: Side of a sliding window, or `(height, width)`. Defaults to `None`: the
            size that the network is built for; if it takes any size, whole images, or
            windows of 1024 for images of more than 2048 times 2048 pixels.
        max_pixels: Pixels an image may have; larger ones are skipped. Defaults
            to 89,478,485.
        verbose: See `keras_imas.progress.progress_style`. Defaults to `"auto"`.
        **prediction: More arguments of `keras_imas.inference.Predictor`, such as
            `flip` and `scales`.

    Returns:
        Dict: how many images were `"predicted"` now, how many were `"kept"` from
        before, and `"skipped"`, a dict from path to reason.

    Raises:
        FileExistsError: If `output_dir` holds other files, or predictions made in
            another way, or another process writes there.
    """
    files.allow_pixels(max_pixels)
    output_dir = pathlib.Path(user_path(output_dir))
    kinds = ["overlays"] * overlays + ["confidence"] * confidence + ["masks"]
    window = window or size_rule(network).size
    settings = {
        "network": network_digest(network),
        "colors": classes.colors,
        "opacity": opacity,
        "image_size": image_size,
        "image_range": image_range,
        "window": window,
        **prediction,
    }
    settings = standard_json.as_read(settings)  # as it is read back
    told = {"model": None if made_by is None else str(made_by), **settings}

    def target(kind, name):
        return output_dir / kind / f"{name}{_SUFFIXES[kind]}"

    results = {"kept": 0, "predicted": 0, "skipped": {}}
    progress = Progress(None, verbose=0)  # until it is known what is missing

    def skip(path, reason):
        results["skipped"][str(path)] = str(reason)
        progress.add()

    def write(name, image, predicted):
        label_map, sure = _decided(*predicted, image.shape[:2], confidence)
        pictures = {"masks": _mask(label_map, colors)}
        if overlays:
            painted = drawing.colorize(label_map, colors)
            mixed = (1 - opacity) * image + opacity * painted
            pictures["overlays"] = Image.fromarray(mixed.astype("uint8"))
        if confidence:
            pictures["confidence"] = Image.fromarray(sure)
        text = PngImagePlugin.PngInfo()
        text.add_text(MADE_FROM, sources[name])
        try:
            for kind in kinds:
                path = target(kind, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                options = {"pnginfo": text} if kind == "masks" else {"quality": 90}
                with whole_file(path) as part:
                    pictures[kind].save(part, **options)
        except OSError as error:
            if error.errno not in _ABOUT_NAMES:  # such as a disk that is full
                raise
            skip(images[name], f"its {kind} can't be written: {error}")
            return
        results["predicted"] += 1
        progress.add()

    with (
        claimed(output_dir, settings, told),
        concurrent.futures.ThreadPoolExecutor(_READ_AHEAD) as pool,
    ):
        _write_classes(output_dir / "classes.csv", classes)
        colors = np.asarray(classes.colors, "uint8")
        sources, missing = {}, {}

        def look(name):
            try:
                source = source_digest(images[name], settings)
                paths = [target(kind, name) for kind in kinds]
                return source, made_from(paths) == source, None
            except OSError as error:
                return None, False, f"cannot be read: {error}"

        for name, found in zip(images, pool.map(look, images), strict=True):
            sources[name], done, problem = found
            if problem:
                skip(images[name], problem)
            elif done:
                results["kept"] += 1
            else:
                missing[name] = images[name]
        if missing:
            progress = Progress(len(missing), "image", "Predicted", verbose=verbose)

        for views, names in _passes(
            missing, window, image_size, image_range, max_pixels, pool, skip
        ):
            predictor = Predictor(network, **views, **prediction)
            waiting = collections.deque()

            def pixels(names=names, waiting=waiting):
                paths = [missing[name] for name in names]
                read = ahead(
                    functools.partial(_read, image_range=image_range),
                    paths,
                    workers=_READ_AHEAD,
                    pending=_READ_AHEAD,
                )
                for name, (image, problem) in zip(names, read, strict=True):
                    if problem:
                        skip(missing[name], problem)
                    else:
                        waiting.append((name, image))
                        yield (
                            image if image_size is None else resized(image, image_size)
                        )

            for predicted in predictor.on_device(pixels()):
                write(*waiting.popleft(), predicted)
        content = {**told, "classes": classes.names, **results}
        write_whole(output_dir / LISTED, standard_json.dumps(content, indent=1) + "\n")
    return results


def _write_classes(path, classes):
    with (
        whole_file(path) as part,
        open(part, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["name", "id", "r", "g", "b"])
        for number, (name, color) in enumerate(
            zip(classes.names, classes.colors, strict=True)
        ):
            writer.writerow([to_cell(name), number, *color])


def _passes(images, window, image_size, image_range, max_pixels, pool, skip):
    """Yield `(options, names)`: the images that one `Predictor` predicts, and how."""
    sizes = {}
    for name, (header, problem) in zip(
        images,
        pool.map(lambda path: _header(path, max_pixels, image_range), images.values()),
        strict=True,
    ):
        if problem:
            skip(images[name], problem)
        else:
            sizes[name] = image_size or header.size
    if window:
        yield {"window": window}, list(sizes)
        return
    whole = [n for n, (h, w) in sizes.items() if h * w <= _WHOLE_PIXELS]
    yield {"size_multiple": size_multiple(sizes[name] for name in whole)}, whole
    large = [n for n, (h, w) in sizes.items() if h * w > _WHOLE_PIXELS]
    if large:
        yield {"window": _WINDOW}, large


def _header(path, max_pixels, image_range):
    try:
        header = files.read_header(path, max_pixels)
        return header, files.image_problem(header, image_range)
    except (OSError, ValueError) as error:
        return None, f"cannot be read: {error}"


def _read(path, image_range):
    try:
        return pixels.read_image(path, image_range), None
    except Exception as error:  # decoders raise errors of many types
        return None, f"cannot be read: {error}"


def _mask(label_map, colors):
    """Return class ids as an image: with a palette, or 16 bits for over 256 classes."""
    if len(colors) > 256:
        return Image.fromarray(label_map.astype("uint16"))
    mask = Image.fromarray(label_map.astype("uint8"))
    mask.putpalette(colors.tobytes())
    return mask


def _decided(probabilities, predicted_size, size, confidence):
    """Return the classes of an image's pixels, and their confidence 0..255 or `None`.

    Both are made on the device; of each pixel a byte is copied, or four of classes.
    """
    if predicted_size != size:
        height, width = predicted_size
        probabilities = resize_bilinear(probabilities[None, :height, :width], *size)[0]
    found = _classes(probabilities)
    sure = _confidence(probabilities) if confidence else None
    return [
        None if tensor is None else ops.convert_to_numpy(tensor)[: size[0], : size[1]]
        for tensor in (found, sure)
    ]


@compiled
def _classes(probabilities):
    dtype = "uint8" if probabilities.shape[-1] <= 256 else "int32"
    return ops.cast(ops.argmax(probabilities, axis=-1), dtype)


@compiled
def _confidence(probabilities):
    return ops.cast(ops.round(255 * ops.max(probabilities, axis=-1)), "uint8")
