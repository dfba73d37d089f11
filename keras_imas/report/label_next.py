"""Choose which images to label next: hard ones that differ from each other."""

import csv
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from keras_imas.files.csv_text import to_cell
from keras_imas.files.whole_file import whole_file
from keras_imas.report.data_uri import photograph_uri
from keras_imas.report.images_of_run import ImagesOfRun
from keras_imas.report.reading import read_some
from keras_imas.runs.read_run import Run
from keras_imas.typing import ArrayLike, StrPath, Verbose


def thumbnail_features(image: ArrayLike, side: int = 8) -> np.ndarray:
    """Return a thumbnail of an image as a vector, to compare images by.

    Args:
        image: `(H, W, 3)`, 0..255.
        side: Side of the square thumbnail in pixels. Defaults to `8`.

    Returns:
        float32 array `(side * side * 3,)` in [0, 1].

    Example:
        >>> thumbnail_features(np.full((20, 30, 3), 255), side=1).tolist()
        [1.0, 1.0, 1.0]
    """
    picture = Image.fromarray(np.asarray(image).astype("uint8"))
    small = picture.resize((side, side), Image.Resampling.BOX)
    return np.asarray(small, "float32").ravel() / 255


def label_next(
    hardness: ArrayLike,
    features: ArrayLike,
    labeled_features: ArrayLike | None = None,
    count: int = 50,
) -> tuple[np.ndarray, np.ndarray]:
    """Rank images to label: the hardest, without near-duplicates.

    Take images one by one, each time the one with the largest product of hardness and
    novelty. Novelty is the distance to the nearest image that is labeled or already
    taken, divided by the median distance between two images that differ, at most 1.

    Args:
        hardness: `(N,)` in [0, 1].
        features: `(N, D)`, such as from `thumbnail_features`.
        labeled_features: `(M, D)` of the labeled images. Defaults to `None`: there are
            none.
        count: Number of images to choose. Defaults to `50`.

    Returns:
        `(order, novelty)`: indices of at most `count` images, best first, and the
        novelty that each had when it was taken.

    Raises:
        ValueError: If `hardness` and `features` differ in length.

    Example:
        >>> features = np.array([[0.0], [0.0], [1.0]])
        >>> order, novelty = label_next([0.9, 0.8, 0.5], features)
        >>> order.tolist(), novelty.tolist()
        ([0, 2, 1], [1.0, 1.0, 0.0])
    """
    hardness = np.asarray(hardness, "float64")
    features = np.asarray(features, "float64")
    if len(hardness) != len(features):
        raise ValueError(
            "`features` and `hardness` must have one row for each image. Received: "
            f"{len(features)} and {len(hardness)}"
        )
    if not len(hardness):
        return np.zeros(0, int), np.zeros(0)
    typical = _median_distance(features)
    novelty = np.ones(len(hardness))

    def see(seen):
        distance = np.linalg.norm(features - seen, axis=1)
        np.minimum(novelty, distance / typical, out=novelty)

    for seen in () if labeled_features is None else labeled_features:
        see(seen)
    order, novelties = [], []
    left = np.ones(len(hardness), bool)
    for _ in range(min(count, len(hardness))):
        best = int(np.argmax(np.where(left, hardness * novelty, -1)))
        order.append(best)
        novelties.append(novelty[best])
        left[best] = False
        see(features[best])
    return np.array(order, int), np.array(novelties)


def images_to_label(
    run: Run,
    images: ImagesOfRun,
    count: int = 50,
    candidates: int = 500,
    *,
    width: int | None = None,
    verbose: Verbose = "auto",
) -> list[dict[str, Any]]:
    """Rank the images of a run to label.

    Args:
        run: `keras_imas.runs.Run` with hardness.
        images: Those of the run, from `keras_imas.report.images_of_run`.
        count: Number of images to choose. Defaults to `50`.
        candidates: The hardest images, of which these are chosen; at least `count`.
            Defaults to `500`.
        width: Width in pixels of a picture of each. Defaults to `None`: none is made.
        verbose: See `keras_imas.progress.progress_style`. Defaults to `"auto"`.

    Returns:
        List of dicts, best first: `"rank"`, `"image"`, `"file"`, `"hardness"`,
        `"novelty"`, and `"picture"` if there is one. Images that can't be read are left
        out.
    """
    unlabeled = images.unlabeled
    hardness = dict(zip(run.hardness.images, run.hardness.recent(), strict=True))
    hardest = run.hardness.hardest_first()[: max(candidates, count)]
    wanted = {images.positions[name]: name for name in hardest}
    features, pictures = {}, {}
    for index, example in read_some(unlabeled, wanted, "Label next", verbose):
        features[wanted[index]] = thumbnail_features(example["image"])
        if width is not None:
            picture = photograph_uri(example["image"], width)
            pictures[wanted[index]] = {"picture": picture}
    readable = [name for name in hardest if name in features]
    labeled = dataclasses.replace(images.labeled, labeled=False)
    seen = read_some(labeled, range(len(labeled)), "Labeled images", verbose)
    order, novelty = label_next(
        [hardness[name] for name in readable],
        np.array([features[name] for name in readable]),
        [thumbnail_features(example["image"]) for _, example in seen],
        count,
    )
    rows = []
    for rank, (place, new) in enumerate(zip(order, novelty, strict=True), 1):
        name = readable[place]
        file = unlabeled.files[images.positions[name]] if unlabeled.files else ""
        rows.append(
            {
                "rank": rank,
                "image": str(name),
                "file": file,
                "hardness": round(float(hardness[name]), 4),
                "novelty": round(float(new), 4),
                **pictures.get(name, {}),
            }
        )
    return rows


def write_ranking(path: StrPath, rows: Sequence[dict[str, Any]]) -> None:
    """Write the images to label next as CSV, best first.

    Args:
        path: Path of the file.
        rows: List of dicts, as from `images_to_label`.
    """
    columns = ["rank", "image", "file", "hardness", "novelty"]
    with (
        whole_file(path) as part,
        open(part, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            names = {name: to_cell(row[name]) for name in ("image", "file")}
            writer.writerow({**row, **names})


def _median_distance(features):
    """Return the median distance between two images, from at most 200 of them.

    Images that are alike don't count: if most were, all others would be as novel.
    """
    if len(features) > 200:
        features = features[np.linspace(0, len(features) - 1, 200).astype(int)]
    distances = np.linalg.norm(features[:, None] - features[None], axis=-1)
    distances = distances[np.triu_indices(len(features), k=1)]
    distances = distances[distances > 0]
    return np.median(distances) if len(distances) else 1.0
