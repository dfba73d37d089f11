"""Lines after each epoch, for a person."""

import re

import keras
import pytest
from tiny_training import evaluation, fit, imas

from keras_imas.runs.epoch_lines import EpochLines


def test_an_epoch_has_a_line_with_accuracy_and_the_time_left(capsys):
    keras.utils.set_random_seed(0)
    history = fit(imas(), evaluation(), EpochLines(every=3600), epochs=2)
    first, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"Epoch 1 of 2: mIoU 0\.\d{3} of the teacher, 0\.\d{3} of the student, loss "
        r"\d\.\d{3}, mean hardness [01]\.\d\d, pseudo labels on \d+% of the pixels; "
        r"about [\d.]+ (s|min|h) left\.",
        first,
    )
    assert last.startswith(f"Epoch 2 of 2: mIoU {history['val_mean_iou'][1]:.3f} of")
    assert last.endswith("of the pixels.")


def test_within_an_epoch_there_are_lines_where_there_is_no_bar(capsys):
    fit(imas(), EpochLines(verbose=2, every=0), epochs=1)
    fit(imas(), EpochLines(verbose=1, every=0), epochs=1)
    lines = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()]
    epoch = "Epoch 1 of 1"
    assert lines == [f"{epoch}, step 1 of 2", f"{epoch}, step 2 of 2", epoch, epoch]


@pytest.mark.parametrize("verbose", [0, "0"])
def test_nothing_is_printed_where_nothing_is_wanted(capsys, verbose):
    fit(imas(), EpochLines(verbose=verbose, every=0), epochs=1)
    assert capsys.readouterr().out == ""
