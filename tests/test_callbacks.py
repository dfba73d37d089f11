import keras
import numpy as np

import keras_imas
from keras_imas.callbacks import Evaluation, TimeEstimate
from keras_imas.metrics import MeanIoU

IMAGES = np.random.default_rng(0).uniform(0, 1, (8, 8, 8, 3)).astype("float32")
LABELS = (IMAGES[..., 0] > 0.5).astype("int32")


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        part = slice(4 * index, 4 * index + 4)
        return IMAGES[part], LABELS[part]


def fit(callbacks, epochs=4, **arguments):
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
    model = keras_imas.IMAS(keras.Sequential(layers), seed=0, **arguments)
    model.compile(keras.optimizers.SGD(0.5))
    batch = {"labeled": IMAGES, "unlabeled": IMAGES, "unlabeled_strong": 1 - IMAGES}
    history = model.fit(
        batch, LABELS, batch_size=4, epochs=epochs, callbacks=callbacks, verbose=0
    )
    return model, history.history


def accuracy(network):
    metric = MeanIoU(2)
    metric.update_state(LABELS, network.predict(IMAGES, verbose=0))
    return float(metric.result())


def test_evaluation_reports_both_networks_and_keeps_the_best_teacher(tmp_path):
    evaluation = Evaluation(
        Batches(workers=1), MeanIoU(2), filepath=tmp_path / "best.keras"
    )
    model, history = fit([evaluation], ema_copy_steps=2)
    teacher, student = history["val_mean_iou"], history["val_student_mean_iou"]
    assert len(teacher) == len(student) == 4
    np.testing.assert_allclose(teacher[-1], accuracy(model.teacher), atol=1e-5)
    np.testing.assert_allclose(student[-1], accuracy(model.student), atol=1e-5)
    assert evaluation.best == max(teacher)
    assert evaluation.best_epoch == int(np.argmax(teacher))
    best = keras.models.load_model(tmp_path / "best.keras")
    np.testing.assert_allclose(accuracy(best), max(teacher), atol=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == ["best.keras"]


def test_evaluation_every_few_epochs_and_at_the_end():
    evaluation = Evaluation(Batches(workers=1), MeanIoU(2), every=3)
    _, history = fit([evaluation], epochs=5)
    assert len(history["val_mean_iou"]) == 2
    assert len(history["loss"]) == 5


def test_time_estimate_prints_once(capsys):
    fit([TimeEstimate(warm_up=1, steps=2)], epochs=4)
    printed = capsys.readouterr().out
    assert printed.count("training takes about") == 1
    assert "8 steps at" in printed
