import contextlib
import os
import shutil
import signal

import keras
import numpy as np
import pytest
from tiers import full_on
from tiny_training import CLASSES, IMAGES, LABELS, evaluation, imas

import keras_imas
from keras_imas.callbacks import Checkpoint
from keras_imas.training.stop_signals import Interrupted


class Killed(Exception):
    """What ends a training in its midst, here."""


class Kill(keras.callbacks.Callback):
    """Ends it after so many steps."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        self.steps -= 1
        if not self.steps:
            raise Killed()


class Steps(keras.callbacks.Callback):
    """Notes which steps are said to be done."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append((self.epoch, batch))


def dropping():
    """A model with all kinds of state, on 3 steps an epoch."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((None, None, 3)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(4, 1),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.Dropout(0.5),
        keras.layers.Conv2D(CLASSES, 1),
    ]
    model = keras_imas.IMAS(keras.Sequential(layers), ema_decay=0.9, seed=0)
    # XLA takes long to compile, on TensorFlow for nothing here.
    model.compile(
        keras_imas.optimizers.SGD(0.1, momentum=0.9),
        jit_compile="auto" if keras.backend.backend() == "jax" else False,
    )
    return model


def train(directory, *callbacks, epochs=3, model=None, **options):
    model = model or dropping()
    unlabeled = np.concatenate([IMAGES, 255 - IMAGES])[:6]
    batches = keras_imas.data.semi_supervised(
        (IMAGES[:4], LABELS[:4]),
        unlabeled.astype("uint8"),
        crop_size=8,
        labeled_batch_size=2,
        unlabeled_batch_size=2,
        strong=lambda image, seed: 255.0 - image,
    )
    options = {"every": 2, **options}
    history = model.fit(
        batches,
        epochs=epochs,
        callbacks=[*callbacks, Checkpoint(directory, **options)],
        shuffle=False,
        verbose=0,
    ).history
    return model, history


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    model, history = train(tmp_path_factory.mktemp("uninterrupted"))
    return state(model), history


def state(model):
    variables = [*model.student.weights, *model.teacher.weights]
    variables += model.optimizer.variables
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def assert_as(uninterrupted, model, history):
    expected, logs = uninterrupted
    for ours, theirs in zip(state(model), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-7)
    assert history.keys() == logs.keys()
    for name, values in logs.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-6)


@full_on("jax")
@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(1, marks=pytest.mark.full),
        5,
        pytest.param(8, marks=pytest.mark.full),
    ],
)
def test_a_training_that_was_killed_goes_on(steps, uninterrupted, tmp_path):
    with pytest.raises(Killed):
        train(tmp_path, Kill(steps))
    done = Steps()
    model, history = train(tmp_path, done)
    assert_as(uninterrupted, model, history)
    everything = [(epoch, step) for epoch in range(3) for step in range(3)]
    # From the last checkpoint: that of step 4, and 6, as killed steps are not saved.
    assert done.seen == everything[{1: 0, 5: 4, 8: 6}[steps] :]


@pytest.mark.full
@pytest.mark.parametrize("steps", [2, 3])
def test_a_signal_saves_in_the_midst_and_at_the_end_of_an_epoch(
    steps, uninterrupted, tmp_path
):
    class Stop(Kill):
        def on_train_batch_end(self, batch, logs=None):
            self.steps -= 1
            if not self.steps:
                os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted):
        train(tmp_path, Stop(steps), every=0)
    assert signal.getsignal(signal.SIGTERM) is before
    assert os.listdir(tmp_path) == [f"step-{steps:09}"]
    assert_as(uninterrupted, *train(tmp_path, every=0))


@pytest.mark.full
def test_a_signal_during_evaluation_loses_nothing(uninterrupted, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        train(tmp_path, Stop(), every=0)
    assert_as(uninterrupted, *train(tmp_path, every=0))


def test_what_an_epoch_s_end_changes_is_not_in_the_state_before_it(tmp_path):
    """So that nothing is there twice when the end of the epoch is done again."""

    class Ends(keras.callbacks.Callback):
        """Notes ends of epochs, and asks to stop in the second one."""

        def __init__(self, stop):
            super().__init__()
            self.seen, self.stop = [], stop

        def on_epoch_end(self, epoch, logs=None):
            self.seen.append(epoch)
            if self.stop and epoch == 1:
                os.kill(os.getpid(), signal.SIGTERM)

        def get_state(self):
            return {"seen": self.seen}

        def set_state(self, state):
            self.seen = state["seen"]

    with pytest.raises(Interrupted):
        train(tmp_path, Ends(stop=True), every=0)
    ends = Ends(stop=False)
    train(tmp_path, ends, every=0)
    assert ends.seen == [0, 1, 2]


@pytest.mark.full
def test_a_longer_training_goes_on_from_a_finished_one(uninterrupted, tmp_path):
    train(tmp_path, epochs=2)
    model, history = train(tmp_path)
    assert_as(uninterrupted, model, history)
    # Once more there is nothing to do.
    done = Steps()
    assert_as(uninterrupted, *train(tmp_path, done))
    assert done.seen == []


@pytest.mark.full
def test_the_best_so_far_is_not_forgotten(tmp_path):
    def evaluating(*others):
        chosen = evaluation(filepath=str(tmp_path / "best.keras"))
        with contextlib.suppress(Killed):
            history = train(tmp_path / "checkpoints", chosen, *others)[1]
            assert chosen.epochs == [0, 1, 2]
            assert chosen.best == max(history["val_mean_iou"])
        return chosen

    evaluating(Kill(8))
    resumed = evaluating()
    counts = resumed.confusion["student"].counts
    assert counts.sum() == (LABELS != 255).sum()


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    train(tmp_path, epochs=1)
    model = dropping()
    other = keras_imas.IMAS(imas().student, ema_decay=0.9, seed=0)
    other.compile(model.optimizer)
    with pytest.raises(ValueError, match="is of another model: it has .* variables"):
        train(tmp_path, model=other)


@pytest.mark.parametrize("every", ["10", "soon", "-1", "0min", "5 days"])
def test_intervals(every, tmp_path):
    if every == "10":
        Checkpoint(tmp_path, every=every)
        return
    with pytest.raises(ValueError, match="`every` must be a time, such as"):
        Checkpoint(tmp_path, every=every)


def test_a_full_disk_is_told_and_the_training_goes_on(tmp_path, capsys, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    _, history = train(tmp_path / "checkpoints", epochs=1)
    assert len(history["loss"]) == 1
    printed = capsys.readouterr().err
    for step in (2, 3):
        assert f"Warning: no checkpoint of step {step} was written" in printed
