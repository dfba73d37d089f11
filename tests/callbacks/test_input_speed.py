import time

import pytest
from tiny_training import BATCH, IMAGES, LABELS, fit, imas

from keras_imas.callbacks import InputSpeed


@pytest.mark.full
def test_input_that_training_waits_for(capsys):
    def batches():
        while True:
            time.sleep(0.5)
            yield BATCH, LABELS[:4]

    def slow():
        for _ in range(6):
            time.sleep(1.0)
            yield 0

    speed = InputSpeed(slow, IMAGES, crop_size=5, warm_up=1, steps=2)
    imas().fit(batches(), steps_per_epoch=3, verbose=0, callbacks=[speed])
    assert speed.waits
    message = capsys.readouterr().out
    assert "Training waits for its input" in message
    for stage in ("read and decode", "weak view", "strong view"):
        assert f"{stage} " in message


def test_input_that_keeps_up(capsys):
    speed = InputSpeed(lambda: [0] * 20, IMAGES, crop_size=5, warm_up=1, steps=2)
    fit(imas(), speed, epochs=3)
    assert speed.waits is False
    assert "waits" not in capsys.readouterr().out
