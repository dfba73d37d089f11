import contextlib
import json
import os
import shutil
import signal
import time

import keras
import numpy as np
import pyarrow.parquet
import pytest

import keras_imas
from keras_imas.callbacks import (
    Checkpoint,
    Evaluation,
    HardnessLog,
    InputSpeed,
    TensorBoard,
    TimeEstimate,
)
from keras_imas.callbacks.time_estimate import format_duration
from keras_imas.metrics import MeanIoU
from keras_imas.training.stop_signals import Interrupted

CLASSES = 3
RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(0, 255, (5, 6, 7, 3)).astype("float32")
LABELS = RNG.integers(0, CLASSES, (5, 6, 7)).astype("int32")
LABELS[:, 0] = 255
BATCH = {
    "labeled": IMAGES[:4],
    "unlabeled": IMAGES[:4, ::-1],
    "unlabeled_strong": 255 - IMAGES[:4, ::-1],
}


class Pairs(keras.utils.PyDataset):
    """Images and label maps, two a batch; the last has one."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        chosen = slice(2 * index, 2 * index + 2)
        return IMAGES[chosen], LABELS[chosen]


def imas(**options):
    layers = [
        keras.Input((6, 7, 3)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(CLASSES, 1, strides=2),
    ]
    model = keras_imas.IMAS(keras.Sequential(layers), seed=0, **options)
    model.compile(keras.optimizers.SGD(0.5), run_eagerly=True)
    return model


def fit(model, *callbacks, epochs=3):
    return model.fit(
        BATCH,
        LABELS[:4],
        batch_size=2,
        epochs=epochs,
        callbacks=list(callbacks),
        shuffle=False,
        verbose=0,
    ).history


def evaluation(**options):
    return Evaluation(Pairs(), CLASSES, **options)


class Recorder(keras.callbacks.Callback):
    """Keeps the epochs' logs, and both networks' weights."""

    def __init__(self):
        super().__init__()
        self.logs, self.teachers, self.students = [], [], []

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(dict(logs))
        self.teachers.append(self.model.teacher.get_weights())
        self.students.append(self.model.student.get_weights())


def iou(model, network, weights):
    """The mean IoU of a network with other weights, by hand."""
    network = keras_imas.inference.segmenter(network)
    kept = network.get_weights()
    network.set_weights(weights)
    metric = MeanIoU(CLASSES, ignore_class=255)
    metric.update_state(LABELS, network.predict(IMAGES, verbose=0))
    network.set_weights(kept)
    return float(metric.result())


def test_evaluates_teacher_and_student_after_each_epoch(tmp_path):
    model, recorder = imas(ema_decay=0.9), Recorder()
    callback = evaluation()
    # Those that come after it see its results.
    stop = keras.callbacks.EarlyStopping("val_mean_iou", mode="max", patience=9)
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    history = fit(model, callback, recorder, stop, log)
    assert "val_student_mean_iou" in (tmp_path / "log.csv").read_text()
    assert stop.best == callback.best
    json.dumps({name: float(value) for name, value in recorder.logs[0].items()})
    names = {"val_loss", "val_mean_iou", "val_student_loss", "val_student_mean_iou"}
    assert all(names < set(logs) for logs in recorder.logs)
    assert names < set(history)
    for epoch, logs in enumerate(recorder.logs):
        for name, network, weights in (
            ("val_mean_iou", model.teacher, recorder.teachers[epoch]),
            ("val_student_mean_iou", model.student, recorder.students[epoch]),
        ):
            expected = iou(model, network, weights)
            assert logs[name] == pytest.approx(expected, abs=1e-4)
    values = history["val_mean_iou"]
    assert callback.best == max(values)
    assert callback.best_epoch == values.index(max(values))
    last = callback.confusion["teacher"]
    assert last.mean_iou == pytest.approx(values[-1], abs=1e-4)
    assert history["val_pixel_accuracy"][-1] == last.pixel_accuracy
    assert last.counts.sum() == (LABELS != 255).sum()


def test_evaluating_does_not_change_training():
    results = []
    for callbacks in ([], [evaluation()]):
        keras.utils.set_random_seed(0)
        model = imas()
        fit(model, *callbacks, epochs=2)
        results.append(model.get_weights())
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("every, epochs, expected", [(2, 3, [1, 2]), (9, 1, [0])])
def test_every_few_epochs_and_after_the_last(every, epochs, expected):
    recorder = Recorder()
    fit(imas(), evaluation(every=every), recorder, epochs=epochs)
    seen = [i for i, logs in enumerate(recorder.logs) if "val_mean_iou" in logs]
    assert seen == expected


def test_keeps_the_best_teacher(tmp_path):
    model, recorder = imas(ema_decay=0.5), Recorder()
    callback = evaluation(filepath=str(tmp_path / "best.keras"))
    history = fit(model, callback, recorder, epochs=4)
    assert os.listdir(tmp_path) == ["best.keras"]
    best = keras.saving.load_model(tmp_path / "best.keras")
    weights = recorder.teachers[callback.best_epoch]
    for a, b in zip(best.get_weights(), weights, strict=True):
        np.testing.assert_allclose(a, b)
    metric = MeanIoU(CLASSES, ignore_class=255)
    metric.update_state(LABELS, best.predict(IMAGES, verbose=0))
    assert float(metric.result()) == pytest.approx(
        max(history["val_mean_iou"]), abs=1e-4
    )


def test_selects_on_other_images_than_those_that_are_reported(tmp_path):
    class Inverted(Pairs):
        """Labels of which as many as possible are missed by a good teacher."""

        def __getitem__(self, index):
            images, labels = super().__getitem__(index)
            return images, np.where(labels == 255, 255, (labels + 1) % CLASSES)

    callback = evaluation(
        select_on=Inverted(), filepath=str(tmp_path / "best.keras"), flip=True
    )
    recorder = Recorder()
    history = fit(imas(ema_decay=0.5), callback, recorder, epochs=4)
    values = history["select_mean_iou"]
    assert values != history["val_mean_iou"]
    assert callback.best_epoch == values.index(max(values))
    best = keras.saving.load_model(tmp_path / "best.keras").get_weights()
    for a, b in zip(best, recorder.teachers[callback.best_epoch], strict=True):
        np.testing.assert_allclose(a, b)


def test_time_estimate(capsys):
    fit(imas(), TimeEstimate(warm_up=1, steps=2), epochs=3)
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x]
    assert line.startswith("6 steps at ") and "training takes about" in line


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


class Weights(keras.callbacks.Callback):
    """Keeps both networks' weights at the beginning of each epoch."""

    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        networks = self.model.student, self.model.teacher
        self.epochs.append([network.get_weights() for network in networks])


INDEX = np.array([5, 0, 3, 2], "int32")
# The darker an image, the less is seen in it, and the less sure are the networks.
UNLABELED = IMAGES[:4] * np.linspace(0, 1, 4, dtype="float32")[:, None, None, None]
NAMES = list("abcdef")


def fit_indexed(model, *callbacks, index=INDEX, epochs=2, **options):
    return model.fit(
        {**BATCH, "unlabeled": UNLABELED, "unlabeled_index": index},
        LABELS[:4],
        batch_size=4,
        epochs=epochs,
        callbacks=list(callbacks),
        shuffle=False,
        verbose=0,
        **options,
    )


def test_hardness_log_is_the_hardness_of_each_image_and_epoch(tmp_path):
    model = imas(confidence_threshold=0.45, ema_decay=0.5)
    rng = np.random.default_rng(1)  # the same weights on all backends
    model.student.set_weights(
        [rng.normal(size=weight.shape) for weight in model.student.weights]
    )
    weights, path = Weights(), tmp_path / "hardness.parquet"
    # An evaluation resets metrics before the epoch ends.
    fit_indexed(
        model,
        weights,
        HardnessLog(path, NAMES),
        epochs=3,
        validation_data=(IMAGES, LABELS),
    )
    rows = pyarrow.parquet.read_table(path).to_pylist()
    assert [row["epoch"] for row in rows] == [1] * 4 + [2] * 4 + [3] * 4
    assert [row["image"] for row in rows[:4]] == ["a", "c", "d", "f"]
    logits = []
    for network, values in zip(
        (model.student, model.teacher), weights.epochs[2], strict=True
    ):
        network.set_weights(values)
        network = keras_imas.inference.segmenter(network)
        logits.append(network.predict(UNLABELED, verbose=0))
    expected = keras_imas.hardness(*logits, confidence_threshold=0.45)
    expected = dict(zip(INDEX.tolist(), np.array(expected), strict=True))
    assert len({round(float(value), 3) for value in expected.values()}) > 2
    for row in rows[8:]:
        number = NAMES.index(row["image"])
        assert row["hardness"] == pytest.approx(expected[number], abs=1e-4)
        parts = [
            row[f"{name}_confidence"] * row[f"{name}_iou"]
            for name in ("student", "teacher")
        ]
        assert row["hardness"] == pytest.approx(1 - sum(parts) / 2, abs=2e-4)


def test_hardness_log_takes_the_mean_of_an_image_seen_twice(tmp_path):
    model, path = imas(), tmp_path / "hardness.parquet"
    history = fit_indexed(
        model, HardnessLog(path, 3), index=np.array([1, 1, 1, 1], "int32"), epochs=1
    ).history
    table = pyarrow.parquet.read_table(path)
    assert table["image"].to_pylist() == ["#1"]
    hardness = table["hardness"][0].as_py()
    assert hardness == pytest.approx(history["hardness"][0], abs=1e-4)


def test_hardness_log_goes_on_in_a_later_fit(tmp_path):
    path = tmp_path / "hardness.parquet"
    fit_indexed(imas(), HardnessLog(path, NAMES), epochs=3)
    before = pyarrow.parquet.read_table(path).to_pylist()
    model = imas()
    # From the third epoch on, which is replaced.
    fit_indexed(model, HardnessLog(path, NAMES), epochs=4, initial_epoch=2)
    after = pyarrow.parquet.read_table(path).to_pylist()
    assert after[:8] == before[:8]
    assert [row["epoch"] for row in after[8:]] == [3] * 4 + [4] * 4
    fit(model, epochs=1)  # which has no index, and needs none any more


def test_hardness_log_needs_to_know_the_images(tmp_path):
    with pytest.raises(ValueError, match="unlabeled_index.*keras_imas.data"):
        fit(imas(), HardnessLog(tmp_path / "hardness.parquet", NAMES))


def test_hardness_log_of_supervised_steps_is_empty(tmp_path):
    path = tmp_path / "hardness.parquet"
    batch = {"labeled": IMAGES[:4]}
    log = HardnessLog(path, NAMES)
    imas().fit(batch, LABELS[:4], batch_size=2, callbacks=[log], verbose=0)
    assert not path.exists()


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
