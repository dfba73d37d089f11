import keras
import numpy as np
import pyarrow.parquet
import pytest
from tiny_training import (
    IMAGES,
    INDEX,
    LABELS,
    NAMES,
    UNLABELED,
    fit,
    fit_indexed,
    imas,
)

import keras_imas
from keras_imas.callbacks import Checkpoint, HardnessLog


class Weights(keras.callbacks.Callback):
    """Keeps both networks' weights at the beginning of each epoch."""

    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        networks = self.model.student, self.model.teacher
        self.epochs.append([network.get_weights() for network in networks])


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
    )
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


class Interrupt(keras.callbacks.Callback):
    """Does what Ctrl-C does."""

    def on_train_batch_end(self, batch, logs=None):
        raise KeyboardInterrupt


def test_a_model_can_train_without_the_log_after_an_interrupted_fit(tmp_path):
    model = imas()
    with pytest.raises(KeyboardInterrupt):
        fit_indexed(model, Interrupt(), HardnessLog(tmp_path / "a.parquet", NAMES))
    fit(model)
    assert int(model.step) > 1


def test_an_error_before_the_training_is_the_one_that_is_raised(tmp_path):
    log = HardnessLog(tmp_path / "a.parquet", NAMES)
    with pytest.raises(NotImplementedError, match="num_batches"):
        imas().fit(keras.utils.PyDataset(), callbacks=[log], verbose=0)


def test_hardness_log_needs_to_know_the_images(tmp_path):
    with pytest.raises(ValueError, match="unlabeled_index.*keras_imas.data"):
        fit(imas(), HardnessLog(tmp_path / "hardness.parquet", NAMES))


def test_hardness_log_of_supervised_steps_is_empty(tmp_path):
    path = tmp_path / "hardness.parquet"
    batch = {"labeled": IMAGES[:4]}
    log = HardnessLog(path, NAMES)
    imas().fit(batch, LABELS[:4], batch_size=2, callbacks=[log], verbose=0)
    assert not path.exists()


@pytest.mark.parametrize("left", [None, b"PAR1"])
def test_a_table_that_is_lost_or_damaged_is_told_at_a_resume(left, tmp_path, capsys):
    path = tmp_path / "hardness.parquet"

    def train(epochs):
        saves = Checkpoint(tmp_path / "c", every=1)
        fit_indexed(imas(), HardnessLog(path, NAMES), saves, epochs=epochs)

    train(2)
    path.unlink() if left is None else path.write_bytes(left)
    if left is not None:
        with pytest.raises(ValueError, match="damaged: .*hardness.parquet"):
            train(3)
        return
    train(3)
    assert "the hardness of the first 2 epochs is lost" in capsys.readouterr().err
    assert pyarrow.parquet.read_table(path)["epoch"].to_pylist() == [3] * 4


def test_another_table_is_refused_before_the_training(tmp_path):
    path = tmp_path / "mine.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"epoch": [1], "mine": [2]}), path)
    model = imas()
    with pytest.raises(ValueError, match="holds another table.*epoch, mine. Choose"):
        fit_indexed(model, HardnessLog(path, NAMES))
    assert int(model.step) == 0
    assert pyarrow.parquet.read_table(path).column_names == ["epoch", "mine"]
