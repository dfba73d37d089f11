"""A trained network, loaded to predict photographs."""

import os
from collections.abc import Sequence
from typing import Any, cast

import keras
import numpy as np
from keras import ops
from PIL import Image

from keras_imas.batch_checks import warn_of_image_range
from keras_imas.data import files, pixels
from keras_imas.data.classes import ClassTable
from keras_imas.files.user_path import user_path
from keras_imas.inference.decided import decided
from keras_imas.inference.georeference import read_georeference
from keras_imas.inference.photograph import photograph_header, read_photograph
from keras_imas.inference.prediction import Prediction
from keras_imas.inference.predictor import Predictor
from keras_imas.inference.whole_or_windows import whole_or_windows
from keras_imas.models.logits import segmenter
from keras_imas.models.size_rule import size_rule
from keras_imas.runs import provenance, run_directory, saved_networks
from keras_imas.runs.reading import Reading, reading_of_facts
from keras_imas.typing import ArrayLike, StrPath


def load(
    path: StrPath, *, max_pixels: int = files.MAX_PIXELS, **options: Any
) -> "LoadedRun":
    """Load the network of a run, to predict photographs.

    It is the teacher of the run's best epoch, or of the last one if there was no
    evaluation. It reads photographs as the run was evaluated, and gives what
    `keras-imas predict` writes.

    Args:
        path: Directory of a run, or a `.keras` file, such as a run's
            `student_last.keras`.
        max_pixels: Pixels a file may have; larger ones are refused, as they may be
            decompression bombs. Defaults to 89,478,485.
        **options: Arguments of `keras_imas.inference.Predictor` in place of what the
            run was evaluated with, such as `window`, `flip`, `scales` or `batch_size`.

    Returns:
        `LoadedRun`.

    Raises:
        FileNotFoundError: If there is no run, or it has saved no network.
        ValueError: If the network can't be loaded, or an option is out of range.

    Example:
        >>> import keras, tempfile
        >>> layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(2, 1)]
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = os.path.join(directory, "teacher_last.keras")
        ...     keras.Sequential(layers).save(path)
        ...     run = load(directory)
        >>> run.predict(np.zeros((40, 60, 3))).classes.shape
        (40, 60)
    """
    files.allow_pixels(max_pixels)
    file = saved_networks.model_file(path)
    facts = run_directory.read(os.path.dirname(file)) or {}
    try:
        # An IMAS model gives its teacher first.
        network = next(iter(saved_networks.load_networks([file]).values()))
    except ValueError as error:
        raise ValueError(f"{error}{_other_versions(facts)}") from error
    options = saved_networks.options_of_run(file, **options)
    return LoadedRun(network, file, facts, max_pixels=max_pixels, options=options)


class LoadedRun:
    """A trained network, and how its run read photographs; made by `keras_imas.load`.

    Args:
        network: Keras model from images to logits.
        file: Path that it was loaded from.
        facts: Dict of the run's `run.json`; empty where there is none.
        max_pixels: See `load`. Defaults to 89,478,485.
        options: Dict of arguments of `keras_imas.inference.Predictor`. Defaults to
            `None`: its own defaults.

    Attributes:
        network: The Keras model, from images 0..255 to logits.
        class_table: `keras_imas.data.ClassTable`: names and colors of the classes.
    """

    def __init__(
        self,
        network: keras.Model,
        file: str,
        facts: dict[str, Any],
        *,
        max_pixels: int = files.MAX_PIXELS,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.network = network
        self.max_pixels = max_pixels
        self.file = file
        self.facts = facts
        self.class_table: ClassTable = saved_networks.classes_of(
            file, segmenter(network).output_shape[-1]
        )
        try:
            known = reading_of_facts(facts)
            names = known.keys() & {"image_size", "image_range"}
            reading = Reading(**{name: known[name] for name in names})
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                f"The run.json beside {file!r} is damaged, or of another version: "
                f"{error}"
            ) from error
        self._image_size = reading.image_size or None
        self._image_range = reading.image_range or None
        self._options = dict(options or {})
        self._window = self._options.pop("window", None) or size_rule(network).size
        self._options.pop("size_multiple", None)  # chosen by the images' sizes
        self._predictors = {}
        self._predictor(window=self._window)  # so that wrong options are refused now

    def predict(
        self, images: StrPath | ArrayLike | Sequence[StrPath | ArrayLike]
    ) -> Any:
        """Find the classes of a photograph, or of several.

        Args:
            images: Path of an image file, a picture of Pillow, an array or tensor
                `(H, W, 3)` of RGB in 0..255, or a list of these. The network sees them
                in the size that its run resized images to.

        Returns:
            `keras_imas.inference.Prediction`, in the photograph's own size; of a list a
            list of them.

        Raises:
            OSError: If a file is missing.
            ValueError: If a file can't be read, an array has another shape, or the
                network returns NaN.

        Example:
            >>> import keras
            >>> layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(2, 1)]
            >>> run = LoadedRun(keras.Sequential(layers), "none.keras", {})
            >>> [found.classes.shape for found in run.predict(np.zeros((2, 9, 8, 3)))]
            [(9, 8), (9, 8)]
        """
        if _is_path(images):
            return self._predict([images])[0]
        several = isinstance(images, list | tuple) or np.ndim(cast(Any, images)) == 4
        found = self._predict(images if several else [images])
        return found if several else found[0]

    def _predict(self, images):
        photographs, sizes = {}, {}
        for number, image in enumerate(images):
            photographs[number] = self._read(image)
            sizes[number] = self._image_size or photographs[number].shape[:2]
        found = {}
        multiple = size_rule(self.network).multiple
        for views, numbers in whole_or_windows(sizes, self._window, multiple):
            seen = (self._seen(photographs[number]) for number in numbers)
            predicted = self._predictor(**views).on_device(seen)
            for number, result in zip(numbers, predicted, strict=True):
                size = photographs[number].shape[:2]
                label_map, sure = decided(
                    result, size, confidence=True, dtype="float32"
                )
                place = None
                if _is_path(images[number]):
                    place = read_georeference(user_path(images[number]))
                found[number] = Prediction(label_map, sure, self.class_table, place)
        return [found[number] for number in sorted(found)]

    def _read(self, image):
        """Return the pixels of an image, `(H, W, 3)`, 0..255."""
        if not _is_path(image):
            values = _as_array(image)
            if values.ndim != 3 or values.shape[-1] != 3 or 0 in values.shape:
                raise ValueError(
                    "An image must be an array (height, width, 3) of RGB in 0..255, "
                    f"or the path of a file. Received: shape {values.shape}"
                )
            return values
        path = user_path(image)
        if not os.path.exists(path):
            raise FileNotFoundError(f"There is no image {path!r}")
        if os.path.isdir(path):
            raise ValueError(
                f"{path!r} is a folder. Pass a list of its files, or segment it as a "
                "whole by `keras-imas predict`"
            )
        _, problem = photograph_header(path, self.max_pixels, self._image_range)
        if not problem:
            photograph, problem = read_photograph(path, self._image_range)
        if problem:
            raise ValueError(f"The image {path!r} {problem}")
        return photograph

    def _seen(self, image):
        """Return a photograph as the network sees it."""
        if self._image_size is None:
            return image
        if image.dtype != "uint8":
            warn_of_image_range(image)
            if not np.isfinite(image).all():  # of which no bytes can be made
                raise ValueError(
                    "An image must be finite, to be resized as the run has it. "
                    "Received: NaN or infinite values"
                )
            image = np.rint(np.clip(image, 0, 255)).astype("uint8")
        return pixels.resized(image, self._image_size)

    def _predictor(self, **views):
        """Return the predictor of images seen in one way, compiled once."""
        key = str(views)  # a window may be a list
        if key not in self._predictors:
            self._predictors[key] = Predictor(self.network, **views, **self._options)
        return self._predictors[key]

    def __repr__(self):
        names = ", ".join(self.class_table.names[:5])
        more = ", ..." if len(self.class_table.names) > 5 else ""
        return f"<LoadedRun {self.file!r}: {names}{more}>"


def _is_path(image):
    return isinstance(image, str | os.PathLike)


def _as_array(image):
    """Return an array of an array, a tensor of the backend, or a picture of Pillow."""
    if isinstance(image, Image.Image):
        image = pixels.upright(image)  # as its file would be read
    if isinstance(image, np.ndarray) or hasattr(image, "__array_interface__"):
        return np.asarray(image)
    return ops.convert_to_numpy(image)


def _other_versions(facts):
    """Tell by which other versions of packages a run was written, if it was."""
    here = provenance.versions()
    other = [
        f"{name} {version} (here {here.get(name) or 'none'})"
        for name, version in (facts.get("versions") or {}).items()
        if name in ("keras-imas", "keras") and version != here.get(name)
    ]
    if not other:
        return ""
    return (
        f"\nIts run was written by other versions: {', '.join(other)}. Install those, "
        "or train again"
    )
