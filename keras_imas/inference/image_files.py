"""Predict image files, and write masks, overlays and confidence maps."""

import collections
import concurrent.futures
import csv
import errno
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from PIL import Image

from keras_imas.data import files
from keras_imas.data.classes import ClassTable
from keras_imas.data.pixels import checked_range, resized
from keras_imas.data.read_ahead import ahead
from keras_imas.data.tree import Tree
from keras_imas.files import standard_json
from keras_imas.files.csv_text import to_cell
from keras_imas.files.user_path import user_path
from keras_imas.files.whole_file import whole_file, write_whole
from keras_imas.inference import drawing, mask_file
from keras_imas.inference.decided import decided
from keras_imas.inference.georeference import read_georeference
from keras_imas.inference.network_digest import network_digest
from keras_imas.inference.photograph import photograph_header, read_photograph
from keras_imas.inference.predictions_folder import (
    LISTED,
    claimed,
    made_from,
    source_digest,
)
from keras_imas.inference.predictor import Predictor
from keras_imas.inference.whole_or_windows import whole_or_windows
from keras_imas.models.size_rule import size_rule
from keras_imas.progress import Progress
from keras_imas.typing import Size, StrPath, Verbose

_READ_AHEAD = 4
# What is wrong with one image, and not with the disk; `None` is an encoder's.
_ABOUT_ONE = (
    None,
    errno.ENAMETOOLONG,
    errno.EILSEQ,
    errno.EINVAL,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
)
# Masks are written last: one that is there tells that the others are, too.
_SUFFIXES = {
    "overlays": (".jpg",),
    "confidence": (".png", ".tif"),
    "masks": (".png", ".tif"),
}


def find_images(where: StrPath, leave_out: StrPath | None = None) -> dict[str, StrPath]:
    """Find image files and name them.

    Args:
        where: Path of an image; of a folder, which is searched with its subfolders; or
            a pattern such as `"photos/*/night_*.jpg"`. Hidden files are skipped.
        leave_out: Folder to skip, of the predictions. Defaults to `None`.

    Returns:
        Dict from name to path. The name is the path below the folder, without its
        suffix unless that is the name of another image, such as of `a.jpg` and `a.png`.

    Raises:
        FileNotFoundError: If the path does not exist, or holds no images.
        ValueError: If all images are in the folder to skip.
    """
    where = pathlib.Path(user_path(where))
    if where.is_file():
        folder, found = where.parent, [where.name]
    else:
        tree = Tree("input", where, files.IMAGE_SUFFIXES)
        folder, found = tree.folder, list(tree)
    if leave_out is not None:
        outside = pathlib.Path(user_path(leave_out)).resolve()
        kept = [p for p in found if outside not in (folder / p).resolve().parents]
        inside = folder.resolve()
        if found and not kept and outside in (inside, *inside.parents):
            raise ValueError(
                "`output` must be another folder than that of the images. Received: "
                f"output={str(leave_out)!r}, which holds all images of "
                f"{str(where)!r}. Choose a new folder, which may be below theirs"
            )
        found = kept
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
    network: keras.Model,
    images: dict[str, StrPath],
    output_dir: StrPath,
    classes: ClassTable,
    *,
    made_by: StrPath | None = None,
    overlays: bool = True,
    confidence: bool = False,
    opacity: float = 0.5,
    image_size: Size | None = None,
    image_range: tuple[float, float] | None = None,
    window: int | Size | None = None,
    stride: float = 2 / 3,
    flip: bool = False,
    scales: Sequence[float] = (1.0,),
    batch_size: int = 1,
    max_pixels: int = files.MAX_PIXELS,
    verbose: Verbose = "auto",
) -> dict[str, Any]:
    """Predict image files, and write what the network finds.

    Write into `output_dir`, for each image: `masks/NAME.png`, the class ids, with the
    classes' colors as palette; `overlays/NAME.jpg`, the colors over the image, scaled
    down to the 65,500 pixels a side that a JPEG can have; `confidence/NAME.png`, the
    probability of the predicted class, 0..255. Of a GeoTIFF the mask and the confidence
    are `NAME.tif`, with the same georeference. Also write `classes.csv`, which
    `keras_imas.data.read_class_table` reads, and `predictions.json`. Skip images that
    can't be read, of which the network makes NaN, or whose files can't be written, such
    as those whose names are too long, and those that have all their files, so that the
    same call resumes where one stopped: each mask tells which image and network it was
    made from, and all files of an image that was replaced are removed, and those that
    are asked for made anew.

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
        stride: See `keras_imas.inference.Predictor`. Defaults to `2 / 3`.
        flip: See there. Defaults to `False`.
        scales: See there. Defaults to `(1.0,)`.
        batch_size: See there. Defaults to `1`.
        max_pixels: Pixels an image may have; larger ones are skipped. Defaults
            to 89,478,485.
        verbose: See `keras_imas.progress.progress_style`. Defaults to `"auto"`.

    Returns:
        Dict: how many images were `"predicted"` now, how many were `"kept"` from
        before, how many of both are `"georeferenced"`, and `"skipped"`, a dict from
        path to reason.

    Raises:
        FileExistsError: If `output_dir` holds other files, or predictions made in
            another way, or another process writes there.
        ValueError: If `image_range` is none.
    """
    files.allow_pixels(max_pixels)
    image_range = checked_range(image_range)
    output_dir = pathlib.Path(user_path(output_dir))
    kinds = ["overlays"] * overlays + ["confidence"] * confidence + ["masks"]
    rule = size_rule(network)
    window = window or rule.size
    settings = {
        "network": network_digest(network),
        "colors": classes.colors,
        "opacity": opacity,
        "image_size": image_size,
        "image_range": image_range,
        "window": window,
        "stride": stride,
        "flip": flip,
        "scales": [float(scale) for scale in scales],
    }
    settings = standard_json.as_read(settings)  # as it is read back
    told = {"model": None if made_by is None else str(made_by), **settings}

    places = {}  # georeferences of GeoTIFFs, by name

    def target(kind, name):
        suffix = _SUFFIXES[kind][-1 if name in places else 0]
        return output_dir / kind / f"{name}{suffix}"

    results: dict[str, Any] = {
        "kept": 0,
        "predicted": 0,
        "georeferenced": 0,
        "skipped": {},
    }
    progress = Progress(None, verbose=0)  # until it is known what is missing

    def skip(path, reason):
        results["skipped"][str(path)] = str(reason)
        progress.add()

    def remove_old(name):
        """Remove the files of a photograph that was replaced."""
        if made_from([target("masks", name)]) == sources[name]:
            return
        for kind, suffixes in _SUFFIXES.items():
            for suffix in suffixes:
                old = output_dir / kind / f"{name}{suffix}"
                try:
                    old.unlink(missing_ok=True)
                except OSError as error:  # what is about one, `write` will say
                    if error.errno not in _ABOUT_ONE:
                        raise

    def write(name, image, predicted):
        try:
            label_map, sure = decided(predicted, image.shape[:2], confidence=confidence)
        except ValueError as error:
            skip(images[name], error)
            return
        place = {"georeference": places.get(name)}

        def save(kind, part):
            if kind == "masks":
                source = sources[name]
                mask_file.save_mask(part, label_map, colors, made_from=source, **place)
            elif kind == "confidence":
                mask_file.save_picture(part, Image.fromarray(sure), **place)
            else:
                painted = drawing.colorize(label_map, colors)
                mixed = (1 - opacity) * image + opacity * painted
                overlay = Image.fromarray(mixed.astype("uint8"))
                overlay.thumbnail((drawing.JPEG_SIDE, drawing.JPEG_SIDE))
                overlay.save(part, quality=90)

        try:
            for kind in kinds:
                path = target(kind, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                with whole_file(path) as part:
                    save(kind, part)
        except OSError as error:
            if error.errno not in _ABOUT_ONE:  # such as a disk that is full
                raise
            skip(images[name], f"its {kind} can't be written: {error}")
            return
        results["predicted"] += 1
        results["georeferenced"] += name in places
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
                place = read_georeference(images[name])
                if place:
                    places[name] = place
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
                results["georeferenced"] += name in places
            else:
                missing[name] = images[name]
                remove_old(name)
        if missing:
            progress = Progress(len(missing), "image", "Predicted", verbose=verbose)

        readable = {n: p for n, p in images.items() if str(p) not in results["skipped"]}
        for views, names in _passes(
            readable,
            missing,
            window,
            rule,
            image_size,
            image_range,
            max_pixels,
            pool,
            skip,
        ):
            predictor = Predictor(
                network,
                **views,
                stride=stride,
                flip=flip,
                scales=scales,
                batch_size=batch_size,
            )
            waiting: collections.deque = collections.deque()

            def pixels(names=names, waiting=waiting):
                paths = [missing[name] for name in names]
                read = ahead(
                    functools.partial(read_photograph, image_range=image_range),
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
                name, image = waiting.popleft()
                write(name, image, predicted)
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


def _passes(
    images, missing, window, rule, image_size, image_range, max_pixels, pool, skip
):
    """Yield `(options, names)`: the missing images that one `Predictor` predicts.

    How they are predicted goes by the sizes of all, so that a call that goes on where
    one stopped predicts as that would have.
    """
    if not missing:
        return
    sizes = {}
    for name, (header, problem) in zip(
        images,
        pool.map(
            lambda path: photograph_header(path, max_pixels, image_range),
            images.values(),
        ),
        strict=True,
    ):
        if not problem:
            sizes[name] = image_size or header.size
        elif name in missing:
            skip(images[name], problem)
    for options, names in whole_or_windows(sizes, window, rule.multiple):
        names = [name for name in names if name in missing]
        if names:
            yield options, names
