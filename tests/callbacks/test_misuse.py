"""Callbacks that can't do what they are asked to say so before the first step."""

import shutil

import keras
import numpy as np
import pyarrow.parquet
import pytest

import keras_imas
from keras_imas.callbacks import Checkpoint, Evaluation, HardnessLog

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")
LABELS = np.indices((2, 8, 8))[1].astype("int32") % 2
BATCH = {
    "labeled": IMAGES,
    "unlabeled": IMAGES,
    "unlabeled_strong": 255 - IMAGES,
    "unlabeled_index": np.arange(2, dtype="int32"),
}


def fit(*callbacks, epochs=1):
    network = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
    model = keras_imas.IMAS(keras.Sequential(network), seed=0)
    model.compile(keras.optimizers.SGD(1e-9))
    try:
        model.fit(BATCH, LABELS, epochs=epochs, verbose=0, callbacks=list(callbacks))
    finally:
        fit.steps = int(keras.ops.convert_to_numpy(model.step))


def evaluation(path, **options):
    return Evaluation([(IMAGES, LABELS)], 2, filepath=path, **options)


def hardness_log(path):
    return HardnessLog(path, 2)


@pytest.mark.parametrize("path", ["hardness.csv", "hardness", "hardness.parquet.gz"])
def test_a_table_of_another_format_is_refused(path):
    with pytest.raises(ValueError, match="must end in .parquet.*hardness"):
        hardness_log(path)


@pytest.mark.parametrize("path", ["best.h5", "best", "best.weights.h5"])
def test_a_network_of_another_format_is_refused(path):
    with pytest.raises(ValueError, match="must end in .keras.*best"):
        evaluation(path)


@pytest.mark.parametrize(
    "options", [{"every": 0}, {"every": -1}, {"every": 1.5}, {"num_classes": 0}]
)
def test_numbers_that_mean_nothing_are_refused(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"`{name}` must be a positive integer"):
        Evaluation([], **{"num_classes": 2, **options})


def test_checkpoints_in_a_file_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="`directory` must be a directory"):
        Checkpoint(tmp_path / "file")


def test_folders_are_made(tmp_path):
    paths = tmp_path / "a" / "b" / "hardness.parquet", tmp_path / "c" / "best.keras"
    fit(hardness_log(paths[0]), evaluation(paths[1]))
    assert all(path.is_file() for path in paths)


@pytest.mark.parametrize(
    "make, suffix",
    [(hardness_log, ".parquet"), (evaluation, ".keras"), (Checkpoint, "")],
)
@pytest.mark.parametrize("where", ["below a file", "too long"])
def test_what_can_not_be_written_is_refused(make, suffix, where, tmp_path):
    (tmp_path / "file").write_text("")
    name = "file/x" if where == "below a file" else "x" * 255
    with pytest.raises(ValueError, match="can't be written"):
        fit(make(tmp_path / f"{name}{suffix or 'x'}"))
    assert fit.steps == 0


def test_a_home_folder_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    fit(hardness_log("~/hardness.parquet"), Checkpoint("~/checkpoints"))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "checkpoints",
        "hardness.parquet",
    ]


def test_a_best_network_that_was_removed_is_missed(tmp_path):
    path = tmp_path / "best.keras"

    class Remove(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            path.unlink()

    with pytest.raises(FileNotFoundError, match="removed while training"):
        fit(evaluation(path), Remove())


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_folder_that_was_removed_is_named_at_the_end(epoch, tmp_path):
    """What is known by then is written into it anew."""
    folder = tmp_path / "run"

    class Remove(keras.callbacks.Callback):
        def on_epoch_end(self, now, logs=None):
            if now == epoch:
                shutil.rmtree(folder)

    folder.mkdir()
    log, saves = hardness_log(folder / "a.parquet"), Checkpoint(folder / "c", every=1)
    logger = keras.callbacks.CSVLogger(folder / "log.csv")
    with pytest.raises(FileNotFoundError, match="The log was saved as .*log.csv"):
        fit(Remove(), log, logger, saves, epochs=2)
    assert {path.name for path in folder.iterdir()} == {"a.parquet", "c"}
    assert len(pyarrow.parquet.read_table(folder / "a.parquet")) == 2 * len(log.names)
