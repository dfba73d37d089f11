import numpy as np
import pytest
import tiny_training

from keras_imas.inference.predictor import Predictor
from keras_imas.runs.trial_scores import TrialScores


def test_the_score_is_over_the_classes_that_masks_hold():
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (4, 6, 7, 3)).astype("float32")
    masks = rng.integers(0, 2, (4, 6, 7))
    model = tiny_training.imas()
    for network in (model.student, model.teacher):
        network.set_weights([3 * rng.normal(size=w.shape) for w in network.weights])
    batches = [(images[k : k + 1], masks[k : k + 1]) for k in range(4)]
    scores = TrialScores({"val": batches}, {"whole": {}}, {2}, 3, 255)
    scores.set_model(model)
    scores.set_params({"epochs": 2})
    scores.on_train_begin()
    scores.on_epoch_end(0)
    scores.on_epoch_end(1)
    teacher, student = scores.found
    assert (teacher["network"], student["network"]) == ("teacher", "student")
    predicted = np.stack(list(Predictor(model.teacher)(images))).argmax(-1)
    assert 2 in predicted and 2 not in masks
    pairs = [(masks == k, predicted == k) for k in range(2)]
    expected = [(a & b).sum() / (a | b).sum() for a, b in pairs]
    assert teacher["iou"] == pytest.approx([*expected, 0])
    assert teacher["mean_iou"] == pytest.approx(np.mean(expected))
