"""Logs read one step late: what callbacks of a batch see, and what an epoch's are."""

import keras
import pytest
from tiny_training import BATCH, LABELS, fit, imas

from keras_imas.backends.late_logs import LateLogs


class Seen(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.batches = []

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append(dict(logs))


def trained(late):
    keras.utils.set_random_seed(0)
    model, seen = imas(), Seen()
    model._late_logs = LateLogs(late)
    return fit(model, seen, epochs=2), seen.batches


@pytest.mark.torch_only
def test_batches_have_the_logs_of_the_step_before_and_epochs_their_own():
    history, at_once = trained(late=False)
    late_history, late = trained(late=True)
    assert late_history == history
    first, last, first_of_next, last_of_next = at_once
    expected = [first, first, first_of_next, first_of_next]
    assert [log["loss"] for log in late] == [log["loss"] for log in expected]
    assert last["loss"] != first["loss"]


@pytest.mark.torch_only
def test_train_on_batch_returns_its_own_logs():
    results = []
    for late in (False, True):
        keras.utils.set_random_seed(0)
        model = imas()
        model._late_logs = LateLogs(late)
        for _ in range(2):
            logs = model.train_on_batch(BATCH, LABELS[:4], return_dict=True)
        results.append({name: float(value) for name, value in logs.items()})
    assert results[0] == results[1]


def test_without_a_gpu_callbacks_see_the_logs_of_their_own_step():
    _, batches = trained(late=None)
    assert batches[0]["loss"] != batches[1]["loss"]
