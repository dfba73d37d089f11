import pytest
from tiny_training import fit, imas

from keras_imas.callbacks import TimeEstimate
from keras_imas.callbacks.time_estimate import format_duration


def test_time_estimate(capsys):
    fit(imas(), TimeEstimate(warm_up=1, steps=2), epochs=3)
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x]
    assert line.startswith("6 steps at ") and "training takes about" in line


@pytest.mark.parametrize("steps, said", [(8, "16 steps at "), (None, "A step takes ")])
def test_calls_of_several_steps_and_data_of_unknown_length(steps, said, capsys):
    estimate = TimeEstimate(warm_up=2, steps=4)
    estimate.set_params({"epochs": 2, "steps": steps})
    for epoch in range(2):
        estimate.on_epoch_begin(epoch)
        for first in range(0, 8, 2):  # two steps a call
            estimate.on_train_batch_begin(first)
            estimate.on_train_batch_end(first + 1)
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x]
    assert line.startswith(said)


def test_no_time_estimate_for_a_short_run(capsys):
    fit(imas(), TimeEstimate(warm_up=3, steps=10), epochs=1)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "seconds, expected",
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (60, "1.0 min"),
        (3599, "60.0 min"),
        (3600, "1.0 h"),
        (90_000, "25.0 h"),
    ],
)
def test_format_duration(seconds, expected):
    assert format_duration(seconds) == expected
