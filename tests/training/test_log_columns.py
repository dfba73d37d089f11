"""Callbacks of Keras that read logs do so once an epoch, as in any `fit`."""

import keras
import pytest
from tiny_imas import CLASSES, batch, conv_student, images, label_maps

import keras_imas
from keras_imas.callbacks import Evaluation
from keras_imas.training.log_columns import after_what_they_read

VALIDATION = images(2, 5), label_maps(2, 5)


def fit(*callbacks, epochs=6):
    model = keras_imas.IMAS(conv_student(), seed=0)
    model.compile(keras.optimizers.SGD(1e-9))
    return model.fit(
        batch(4), label_maps(4), epochs=epochs, callbacks=list(callbacks), verbose=0,
        validation_data=VALIDATION,
    )  # fmt: skip


def test_each_callback_comes_once_and_readers_after_what_they_read():
    readers = keras.callbacks.ReduceLROnPlateau(), keras.callbacks.EarlyStopping()
    other = keras.callbacks.TerminateOnNaN()
    for given in ([*readers, other], [readers[0], other, readers[1]], [*readers]):
        assert after_what_they_read(given) == given
    evaluation = Evaluation([VALIDATION], CLASSES)
    given = [*readers, evaluation, other]
    assert after_what_they_read(given) == [evaluation, *readers, other]


@pytest.mark.parametrize("first", [True, pytest.param(False, marks=pytest.mark.full)])
def test_patience_counts_epochs(first, tmp_path):
    stop = keras.callbacks.EarlyStopping(patience=2, min_delta=0.1, monitor="val_loss")
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    other = keras.callbacks.TerminateOnNaN()
    history = fit(stop, log, other) if first else fit(other, stop, log)
    assert history.epoch == [0, 1, 2]
    rows = (tmp_path / "log.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["0", "1", "2"]
