"""A training that was cut short and is resumed, or refused before its first step."""

import contextlib
import os
import signal

import keras
import numpy as np
import pytest
from tiers import core_and_full

import keras_imas
from keras_imas.augment.color_jitter import ColorJitter
from keras_imas.augment.rand_augment import RandAugment
from keras_imas.callbacks import Checkpoint, Evaluation, HardnessLog
from keras_imas.metrics import MeanIoU
from keras_imas.training.stop_signals import Interrupted

CLASSES, SIZE = 2, 8
RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(0, 255, (6, SIZE, SIZE, 3)).astype("float32")
LABELS = RNG.integers(0, CLASSES, (6, SIZE, SIZE)).astype("int32")
BATCH = {"labeled": IMAGES, "unlabeled": IMAGES, "unlabeled_strong": 255 - IMAGES}
VALIDATION = IMAGES[:2], LABELS[:2]


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        chosen = slice(2 * index, 2 * index + 2)
        batch = {name: images[chosen] for name, images in BATCH.items()}
        return batch, LABELS[chosen]


def dataset():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((BATCH, LABELS))


def pipeline(strong=lambda image, seed: 255.0 - image, **options):
    return keras_imas.data.semi_supervised(
        (IMAGES, LABELS),
        IMAGES,
        crop_size=SIZE,
        labeled_batch_size=2,
        unlabeled_batch_size=2,
        strong=strong,
        **options,
    )


SOURCES = {
    "arrays": lambda: {"x": BATCH, "y": LABELS, "batch_size": 2},
    "arrays in order": lambda: {
        "x": BATCH,
        "y": LABELS,
        "batch_size": 2,
        "shuffle": False,
    },
    "PyDataset": lambda: {"x": Batches()},
    "tf.data": lambda: {"x": dataset().batch(2), "shuffle": False},
    "tf.data of unknown length": lambda: {
        "x": dataset().filter(lambda *_: True).batch(2),
        "shuffle": False,
    },
    "keras_imas.data": lambda: {"x": pipeline(), "shuffle": False},
    "KerasCV": lambda: {"x": pipeline(RandAugment()), "shuffle": False},
}


class Weights(keras.callbacks.Callback):
    """Keeps the weights before what Keras does at the end of a training."""

    def on_epoch_end(self, epoch, logs=None):
        self.kept = self.model.get_weights()


class Cut(keras.callbacks.Callback):
    """Ends a training before a step, or has a signal come in it."""

    def __init__(self, step, number=None):
        super().__init__()
        self.step, self.number, self.seen = step, number, []

    def on_train_batch_begin(self, batch, logs=None):
        step = int(keras.ops.convert_to_numpy(self.model.step))
        if step == self.step and self.number is None:
            raise KeyboardInterrupt
        if step == self.step:
            os.kill(os.getpid(), self.number)

    def on_train_batch_end(self, batch, logs=None):
        # Not where it begins: on TensorFlow one more does, which finds no data.
        self.seen.append(int(keras.ops.convert_to_numpy(self.model.step)) - 1)


def compiled(rate=1e-2, loss_weights=None, use_ema=False, **options):
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(CLASSES, 1),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
        ]
    )
    model = keras_imas.IMAS(network, **{"seed": 0, "ema_decay": 0.5, **options})
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9, use_ema=use_ema, ema_momentum=0.5),
        loss_weights=loss_weights,
        metrics=[MeanIoU(num_classes=CLASSES, ignore_class=255)],
        jit_compile="auto" if keras.backend.backend() == "jax" else False,
    )
    return model


def keras_callbacks(folder):
    monitor = {"monitor": "val_mean_iou", "mode": "max"}
    return [
        # Before what it reads, as users have it.
        keras.callbacks.CSVLogger(folder / "log.csv"),
        Evaluation([VALIDATION], CLASSES, every=2),
        keras.callbacks.EarlyStopping(patience=9, restore_best_weights=True, **monitor),
        keras.callbacks.ReduceLROnPlateau(patience=1, factor=0.5, **monitor),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        keras.callbacks.ModelCheckpoint(
            folder / "best.weights.h5",
            save_best_only=True,
            save_weights_only=True,
            **monitor,
        ),
    ]


def train(folder, source, *first, epochs=3, model=None, callbacks=keras_callbacks, **k):
    model, kept = model or compiled(), Weights()
    with contextlib.suppress(KeyboardInterrupt, Interrupted):
        history = model.fit(
            **SOURCES[source](),
            epochs=epochs,
            verbose=0,
            callbacks=[
                *first,
                kept,
                *callbacks(folder),
                Checkpoint(folder / "c", every=1),
            ],
            **k,
        )
        return model, kept, history.history, first


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    done = {}

    def get(source):
        if source not in done:
            folder = tmp_path_factory.mktemp("whole")
            done[source] = *train(folder, source), (folder / "log.csv").read_text()
        return done[source]

    return get


CUTS = [
    ("keras_imas.data", Cut(4)),
    *[
        pytest.param(source, Cut(4), marks=pytest.mark.full)
        for source in SOURCES
        if source != "keras_imas.data"
    ],
    # In the last step of an epoch, which is finished first.
    pytest.param("arrays", Cut(5, signal.SIGTERM), marks=pytest.mark.full),
    pytest.param("keras_imas.data", Cut(5, signal.SIGTERM), marks=pytest.mark.full),
]


# In the second epoch, and in the last one.
@pytest.mark.parametrize("step", [4, pytest.param(7, marks=pytest.mark.full)])
def test_the_average_of_an_optimizer_comes_after_the_last_epoch_alone(step, tmp_path):
    def run(folder, *first):
        model, none = compiled(use_ema=True), lambda folder: []
        return train(tmp_path / folder, "arrays", *first, model=model, callbacks=none)

    whole, *_ = run("whole")
    assert run("cut", Cut(step)) is None
    model, *_ = run("cut")
    for ours, theirs in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("source, cut", CUTS)
def test_goes_on_as_if_nothing_had_happened(source, cut, uninterrupted, tmp_path):
    assert train(tmp_path, source, cut) is None
    steps = Cut(None)
    model, kept, history, _ = train(tmp_path, source, steps)
    assert steps.seen == list(range(cut.step + bool(cut.number), 9))
    whole, whole_kept, whole_history, _, log = uninterrupted(source)
    assert history.keys() == whole_history.keys()
    for name, values in whole_history.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-5, err_msg=name)
    for ours, theirs in (
        (kept.kept, whole_kept.kept),
        (model.get_weights(), whole.get_weights()),  # the best ones
    ):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    written = (tmp_path / "log.csv").read_text().splitlines()
    assert written[0] == log.splitlines()[0] and "val_student_mean_iou" in written[0]
    assert [line.split(",")[0] for line in written] == ["epoch", "0", "1", "2"]


def image_dataset():
    return dataset().shuffle(6).batch(2)


REFUSED = {
    "steps_per_epoch": {"steps_per_epoch": 2},
    "validation_steps": {"validation_data": VALIDATION, "validation_steps": 5},
}


@pytest.mark.parametrize("name", REFUSED)
def test_numbers_of_steps_that_keras_counts_on_are_refused(name, tmp_path):
    steps = Cut(None)
    with pytest.raises(ValueError, match=f"`{name}.* does not go with a `Checkpoint`"):
        train(tmp_path, "arrays", steps, **REFUSED[name])
    assert not steps.seen


def test_numbers_of_steps_that_say_nothing_new_are_taken(tmp_path):
    options = {"steps_per_epoch": 3, "validation_data": VALIDATION}
    steps = Cut(None)
    train(tmp_path, "arrays", steps, epochs=1, validation_steps=1, **options)
    assert steps.seen == [0, 1, 2]


@pytest.mark.parametrize(
    "data, word",
    [
        (lambda: iter([Batches()[0]]), "generator"),
        (lambda: dataset().shuffle(6).batch(2), "shuffles by itself"),
    ],
)
def test_data_that_can_not_be_read_again_are_refused(data, word, tmp_path):
    with pytest.raises(ValueError, match=word):
        compiled().fit(data(), verbose=0, callbacks=[Checkpoint(tmp_path)])


@pytest.mark.parametrize(
    "callback",
    [keras.callbacks.BackupAndRestore("backup"), keras.callbacks.SwapEMAWeights()],
)
def test_callbacks_that_work_against_checkpoints_are_refused(callback, tmp_path):
    name = type(callback).__name__
    with pytest.raises(ValueError, match=f"`{name}` does not go with a `Checkpoint`"):
        train(tmp_path, "arrays", callback)


CHANGES = {
    "learning_rate was": {"rate": 1e-3},
    "confidence_threshold was 0.7, is 0.8": {"confidence_threshold": 0.8},
    "unlabeled_weight was 3.0, is 1.0": {"unlabeled_weight": 1.0},
    "ema_decay was 0.5, is 0.9": {"ema_decay": 0.9},
    "loss_weights was None, is 0.5": {"loss_weights": 0.5},
}


def none(folder):
    return []


@pytest.mark.parametrize("said", core_and_full(["learning_rate was"], CHANGES))
def test_other_settings_are_refused_by_name(said, tmp_path):
    train(tmp_path, "arrays", epochs=1, callbacks=none)
    with pytest.raises(ValueError, match=said):
        model = compiled(**CHANGES[said])
        train(tmp_path, "arrays", epochs=2, model=model, callbacks=none)


def test_data_of_another_length_or_seed_are_refused(tmp_path):
    train(tmp_path, "arrays", epochs=1, callbacks=none)
    with pytest.raises(ValueError, match="steps of an epoch was 3, is 2"):
        compiled().fit(
            BATCH, LABELS, 3, 2, verbose=0, callbacks=[Checkpoint(tmp_path / "c")]
        )


@pytest.mark.parametrize("name", ["strong", "labeled_strong"])
def test_other_strong_views_are_refused(name, tmp_path):
    def fit(gray, epochs):
        batches = pipeline(**{name: ColorJitter(gray=gray)})
        checkpoint = Checkpoint(tmp_path)
        compiled().fit(batches, epochs=epochs, verbose=0, callbacks=[checkpoint])

    fit(0.1, epochs=1)
    with pytest.raises(ValueError, match=f"data.{name}.gray was 0.1, is 0.5"):
        fit(0.5, epochs=2)


@pytest.mark.full
def test_replaced_images_are_found(tmp_path):
    from PIL import Image

    for name in "abcd":
        Image.new("RGB", (SIZE, SIZE), name.encode()[0]).save(tmp_path / f"{name}.png")

    def fit(epochs):
        batches = keras_imas.data.semi_supervised(
            (IMAGES, LABELS),
            keras_imas.data.from_folder(tmp_path),
            crop_size=SIZE,
            labeled_batch_size=2,
            unlabeled_batch_size=2,
        )
        checkpoint = Checkpoint(tmp_path / "checkpoints")
        compiled().fit(
            batches, epochs=epochs, shuffle=False, verbose=0, callbacks=[checkpoint]
        )

    fit(1)
    Image.effect_noise((SIZE, SIZE), 99).convert("RGB").save(tmp_path / "b.png")
    with pytest.raises(ValueError, match="data.unlabeled was .*, is "):
        fit(2)


@pytest.mark.full
def test_other_colors_of_the_classes_are_refused(tmp_path):
    from PIL import Image

    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        Image.new("RGB", (SIZE, SIZE), "red").save(tmp_path / kind / "a.png")
    table = tmp_path / "classes.csv"

    def fit(road, car, epochs):
        table.write_text(f"name,r,g,b\nroad,{road}\ncar,{car}\n")
        labeled = keras_imas.data.from_folder(
            tmp_path / "images", tmp_path / "masks", classes=table
        )
        batches = keras_imas.data.supervised(labeled, crop_size=SIZE, batch_size=1)
        checkpoint = Checkpoint(tmp_path / "checkpoints")
        compiled().fit(batches, epochs=epochs, verbose=0, callbacks=[checkpoint])

    fit("255,0,0", "0,0,255", epochs=1)
    with pytest.raises(ValueError, match="data.mask_values.#ff0000 was 0, is 1"):
        fit("0,0,255", "255,0,0", epochs=2)


@pytest.mark.full
def test_a_finished_training_says_so_and_more_epochs_continue_it(tmp_path, capsys):
    train(tmp_path, "arrays", epochs=1, callbacks=none)
    assert "Nothing is left" not in capsys.readouterr().out
    steps = Cut(None)
    _, _, history, _ = train(tmp_path, "arrays", steps, epochs=1, callbacks=none)
    assert steps.seen == [] and len(history["loss"]) == 1
    assert "Nothing is left to train" in capsys.readouterr().out
    train(tmp_path, "arrays", steps, epochs=2, callbacks=none)
    assert steps.seen == [3, 4, 5]


@pytest.mark.full
def test_a_training_that_was_stopped_early_stays_so(tmp_path, capsys):
    def stopping(folder):
        return [keras.callbacks.EarlyStopping("loss", mode="max", patience=1)]

    _, _, history, _ = train(tmp_path, "arrays", epochs=9, callbacks=stopping)
    epochs = len(history["loss"])
    assert epochs < 9
    steps = Cut(None)
    train(tmp_path, "arrays", steps, epochs=9, callbacks=stopping)
    assert steps.seen == []
    assert "A callback has stopped it" in capsys.readouterr().out
    train(tmp_path, "arrays", steps, epochs=epochs + 1, callbacks=none)
    assert len(steps.seen) == 3


@pytest.mark.parametrize(
    "where", core_and_full(["last step"], ["last step", "evaluation"])
)
def test_a_signal_loses_no_row_of_the_hardness_log(where, tmp_path):
    import pyarrow.parquet

    path = tmp_path / "hardness.parquet"

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                os.kill(os.getpid(), signal.SIGTERM)

    def fit(*first):
        log = HardnessLog(path, 6)
        return train(
            tmp_path, "keras_imas.data", *first, callbacks=lambda folder: [log]
        )

    assert fit(Cut(5, signal.SIGTERM) if where == "last step" else Stop()) is None
    fit()
    epochs = pyarrow.parquet.read_table(path)["epoch"].to_pylist()
    assert epochs == [1] * 6 + [2] * 6 + [3] * 6
