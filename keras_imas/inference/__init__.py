"""Prediction: whole images, sliding windows, files, exports."""

from keras_imas.inference.predictor import Predictor, window_starts
from keras_imas.inference.score_hardness import score_hardness
from keras_imas.models.logits import (
    full_size_logits,
    list_outputs,
    resize_logits,
    run_network,
    segmenter,
)

__all__ = [
    "Predictor",
    "list_outputs",
    "resize_logits",
    "full_size_logits",
    "run_network",
    "score_hardness",
    "segmenter",
    "window_starts",
]
