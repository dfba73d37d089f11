import numpy as np
import pytest
import tiny_training
from keras import ops

from keras_imas import hardness
from keras_imas.inference.predictor import Predictor
from keras_imas.metrics.rank_correlation import rank_correlation
from keras_imas.runs.pseudo_label_quality import (
    PseudoLabelQuality,
    pseudo_label_quality,
)

CLASSES, VOID, TAU = 3, 9, 0.6


def probabilities(seed):
    logits = np.random.default_rng(seed).normal(size=(6, 5, 4, CLASSES)) * 2
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


@pytest.fixture
def masks():
    masks = np.random.default_rng(5).integers(0, CLASSES, (6, 5, 4))
    masks[0, 0] = VOID
    masks[5] = VOID
    return masks


def found(ours, theirs, masks, background_class=None):
    """As over two batches; the "images" are what a predictor returns for them."""
    numbers = np.arange(6)[:, None]
    batches = [({"labeled": numbers[a:b]}, masks[a:b]) for a, b in ((0, 4), (4, 6))]
    return pseudo_label_quality(
        lambda images: ours[images[:, 0]],
        lambda images: theirs[images[:, 0]],
        batches, CLASSES, VOID, TAU, background_class,
    )  # fmt: skip


def test_recall_and_precision_count_sure_pixels(masks):
    theirs = probabilities(1)
    quality = found(probabilities(0), theirs, masks)
    classes, sure = theirs.argmax(-1), theirs.max(-1) >= TAU
    for k in range(CLASSES):
        hit = (sure & (classes == k) & (masks == k)).sum()
        given = (sure & (classes == k) & (masks != VOID)).sum()
        assert quality["recall"][k] == pytest.approx(hit / (masks == k).sum(), abs=1e-4)
        assert quality["precision"][k] == pytest.approx(hit / given, abs=1e-4)


@pytest.mark.parametrize("background_class", [None, 0])
def test_hardness_is_compared_with_the_error_of_each_image(masks, background_class):
    ours, theirs = probabilities(0), probabilities(1)
    hard = ops.convert_to_numpy(
        hardness(
            ours,
            theirs,
            confidence_threshold=TAU,
            background_class=background_class,
            valid_mask=masks != VOID,
            from_logits=False,
        )
    )
    wrong = [
        (theirs[n].argmax(-1) != masks[n])[masks[n] != VOID].mean() for n in range(5)
    ]  # the sixth has no label
    expected = rank_correlation(hard[:5].tolist(), wrong)
    quality = found(ours, theirs, masks, background_class)
    assert quality["hardness_correlation"] == pytest.approx(expected)


def test_nothing_to_count_is_none(masks):
    sure = np.eye(CLASSES)[np.zeros_like(masks)]
    quality = found(sure, sure, np.where(masks == VOID, VOID, 0))
    assert quality == {
        "recall": [1, None, None],
        "precision": [1, None, None],
        "hardness_correlation": None,
    }


def test_a_training_is_compared_as_its_model_scores_hardness():
    rng = np.random.default_rng(5)
    masks = rng.integers(0, CLASSES, (9, 6, 7))
    batches = [({"labeled": rng.uniform(0, 255, (9, 6, 7, 3))}, masks)]
    model = tiny_training.imas(background_class=1, confidence_threshold=0.4)
    networks = model.student, model.teacher
    weights = [rng.normal(size=w.shape) for w in model.student.get_weights()]
    model.student.set_weights([3 * w for w in weights])
    model.teacher.set_weights([2 * w + rng.normal(size=w.shape) for w in weights])
    callback = PseudoLabelQuality(batches, {2}, CLASSES, VOID)
    callback.set_model(model)
    callback.on_train_begin()
    callback.on_epoch_end(0)
    callback.on_epoch_end(1)
    expected, other = (
        pseudo_label_quality(*map(Predictor, networks), batches, CLASSES, VOID, 0.4, k)
        for k in (1, None)
    )
    assert callback.found == [{"epoch": 2, **expected}]
    assert expected["hardness_correlation"] != other["hardness_correlation"]
