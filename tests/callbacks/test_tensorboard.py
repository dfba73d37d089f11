import numpy as np
import pytest
from tiny_training import INDEX, NAMES, evaluation, fit_indexed, imas

from keras_imas.callbacks import (
    HardnessLog,
    TensorBoard,
)


def test_tensorboard_shows_numbers_hardness_and_pictures(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing import event_accumulator
    from tensorboard.util.tensor_util import make_ndarray

    log = HardnessLog(tmp_path / "hardness.parquet", NAMES)
    judge = evaluation(every=2)
    red = np.full((6, 7, 3), (255, 0, 0), "uint8")
    board = TensorBoard(
        tmp_path / "board",
        hardness_log=log,
        evaluation=judge,
        draw=lambda predictors: red if set(predictors) == {"student", "teacher"} else 0,
    )
    fit_indexed(imas(), log, judge, board, epochs=3)
    found = event_accumulator.EventAccumulator(str(tmp_path / "board" / "train"))
    found.Reload()
    steps = {
        tag: [event.step for event in found.Tensors(tag)]
        for tag in found.Tags()["tensors"]
    }
    assert steps["epoch_loss"] == steps["hardness"] == [0, 1, 2]
    assert steps["predictions"] == [1, 2]  # every second epoch, and the last
    *_, histogram = found.Tensors("hardness")
    # Left edge, right edge, count.
    assert make_ndarray(histogram.tensor_proto)[:, 2].sum() == len(INDEX)
