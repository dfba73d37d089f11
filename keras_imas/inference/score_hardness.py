"""Score whole images by the student and the teacher."""

import itertools
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from keras_imas.inference.predictor import Predictor
from keras_imas.progress import Progress
from keras_imas.scoring import hardness
from keras_imas.typing import ArrayLike, Verbose


def score_hardness(
    model: keras.Model,
    images: Iterable[ArrayLike],
    *,
    count: int | None = None,
    verbose: Verbose = "auto",
    predictors: dict[str, Predictor] | None = None,
    **prediction: Any,
) -> np.ndarray:
    """Score whole images by the student and the teacher of a model.

    Args:
        model: `IMAS`; its threshold and background class apply.
        images: Iterable of images `(H, W, 3)`, 0..255, of one size or of several.
        count: Number of images, for the progress bar. Defaults to `None`: unknown.
        verbose: See `keras_imas.progress.progress_style`. Defaults to `"auto"`.
        predictors: Dict of a `Predictor` for `"student"` and `"teacher"`, to use those
            that are compiled already. Defaults to `None`: new ones.
        **prediction: See `Predictor`: `window`, `size_multiple`, ...

    Returns:
        float32 array `(N,)` of hardness in [0, 1].

    Example:
        >>> import keras, keras_imas, numpy as np
        >>> layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
        >>> model = keras_imas.IMAS(keras.Sequential(layers))
        >>> score_hardness(model, np.zeros((3, 8, 8, 3)), verbose=0)
        array([1., 1., 1.], dtype=float32)
    """
    progress = Progress(count, "image", "Scored", verbose=verbose)
    if predictors is None:
        predictors = {
            name: Predictor(getattr(model, name), **prediction)
            for name in ("student", "teacher")
        }
    for_student, for_teacher = itertools.tee(images)
    scores = []
    for (student, (height, width)), (teacher, _) in zip(
        predictors["student"].on_device(for_student),
        predictors["teacher"].on_device(for_teacher),
        strict=True,
    ):
        score = hardness(
            student[None, :height, :width],
            teacher[None, :height, :width],
            confidence_threshold=model.confidence_threshold,
            background_class=model.background_class,
            from_logits=False,
        )
        scores.append(float(score[0]))
        progress.add()
    return np.array(scores, "float32")
