import keras
import numpy as np
import pytest
import reference
from keras import ops
from tiers import core_and_full

from keras_imas import losses
from keras_imas.losses.keras_loss import KerasLoss, loss_over_label_maps

LOSSES = {
    "sparse": lambda: keras.losses.SparseCategoricalCrossentropy(True),
    "sparse, ignore_class": lambda: keras.losses.SparseCategoricalCrossentropy(
        True, ignore_class=255
    ),
    "categorical": lambda: keras.losses.CategoricalCrossentropy(True),
    "focal": lambda: keras.losses.CategoricalFocalCrossentropy(from_logits=True),
    "generalized": keras.losses.CategoricalGeneralizedCrossEntropy,
    "Dice": keras.losses.Dice,
    "Dice of images": lambda: keras.losses.Dice(axis=(1, 2, 3)),
    "Tversky": lambda: keras.losses.Tversky(0.3, 0.7),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, (4, 5, 6))
LOGITS = RNG.normal(scale=2, size=(4, 5, 6, 3)).astype("float32")
SOME = np.where(RNG.random(LABELS.shape) < 0.3, 255, LABELS)


def value(loss, *arguments):
    result = loss(*arguments)
    assert tuple(result.shape) == ()
    return float(ops.convert_to_numpy(result))


@every_loss
@pytest.mark.parametrize("channel", [False, True])
def test_without_ignored_pixels_it_is_the_loss_of_keras(loss, channel):
    target, prediction = np.eye(3, dtype="float32")[LABELS], LOGITS
    if "Sparse" in type(loss()).__name__ or "Gen" in type(loss()).__name__:
        target = LABELS
    if type(loss()).__name__ in (
        "Dice",
        "Tversky",
        "CategoricalGeneralizedCrossEntropy",
    ):
        prediction = reference.softmax(LOGITS).astype("float32")
    expected = value(loss(), target, prediction)
    labels = LABELS[..., None] if channel else LABELS
    result = value(loss_over_label_maps(loss()), labels, LOGITS)
    assert result == pytest.approx(expected, rel=1e-4)


@every_loss
def test_ignored_pixels_do_not_count(loss):
    over = loss_over_label_maps(loss())
    logits = np.where((SOME == 255)[..., None], LOGITS[..., ::-1] * 3, LOGITS)
    result = value(over, SOME, LOGITS)
    assert result == pytest.approx(value(over, SOME, logits), rel=1e-5)
    assert result != pytest.approx(value(over, LABELS, LOGITS), rel=1e-4)
    if "axis" not in over.loss.get_config() or over.loss.get_config()["axis"] is None:
        # As if there were only the others, in one row.
        rows = LABELS[SOME != 255][None, None], LOGITS[SOME != 255][None, None]
        assert result == pytest.approx(value(over, *rows), rel=1e-5)


@every_loss
def test_small_where_all_is_right_and_large_where_all_is_wrong(loss):
    over = loss_over_label_maps(loss())
    logits = 20 * np.eye(3, dtype="float32")[LABELS]
    assert value(over, SOME, logits) < 0.05
    assert value(over, SOME, np.roll(logits, 1, axis=-1)) > 0.2


def test_by_hand():
    labels = np.array([[[0, 1, 255, 1]]])
    logits = np.log([[[[0.5, 0.5], [0.25, 0.75], [1.0, 1e-9], [0.5, 0.5]]]])
    dice = value(loss_over_label_maps("dice"), labels, logits.astype("float32"))
    assert dice == pytest.approx(1 - 2 * (0.5 + 0.75 + 0.5) / (3 + 3), rel=1e-4)
    loss = loss_over_label_maps(LOSSES["sparse"]())
    expected = -(2 * np.log(0.5) + np.log(0.75)) / 3
    assert value(loss, labels, logits) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("loss", ["sparse", "categorical", "focal"])
def test_weights_are_those_of_our_losses(loss):
    over = loss_over_label_maps(LOSSES[loss]())
    weights = RNG.choice([0.0, 1.0, 2.0], SOME.shape).astype("float32")
    if loss != "focal":
        expected = value(losses.Crossentropy(), SOME, LOGITS, weights)
        assert value(over, SOME, LOGITS, weights) == pytest.approx(expected, rel=1e-4)
    ones = np.ones((4,), "float32")
    without = value(over, SOME, LOGITS)
    assert value(over, SOME, LOGITS, ones) == pytest.approx(without, rel=1e-6)
    labels = np.where(weights == 0, (SOME + 1) % 3, SOME)
    result = value(over, labels, LOGITS, weights)
    assert result == pytest.approx(value(over, SOME, LOGITS, weights), rel=1e-6)


@pytest.mark.parametrize("loss", ["Dice", "Tversky"])
def test_weights_of_regions_are_refused(loss):
    over = loss_over_label_maps(LOSSES[loss]())
    with pytest.raises(ValueError, match="`sample_weight` has no mean.*ignore_class"):
        over(SOME, LOGITS, np.ones((4,), "float32"))


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        "crossentropy",
        keras.losses.sparse_categorical_crossentropy,
        keras.losses.SparseCategoricalCrossentropy(),
        keras.losses.CategoricalFocalCrossentropy(),
    ],
)
def test_a_loss_of_probabilities_is_refused(loss):
    with pytest.raises(ValueError, match="must take logits.*from_logits=True"):
        loss_over_label_maps(loss)


@pytest.mark.parametrize(
    "loss",
    [
        "mse",
        "binary_crossentropy",
        keras.losses.BinaryCrossentropy(from_logits=True),
        keras.losses.mean_absolute_error,
        keras.losses.Hinge(),
    ],
)
def test_a_loss_that_does_not_compare_classes_is_refused(loss):
    with pytest.raises(ValueError, match="`loss` must compare.*Crossentropy.*Dice"):
        loss_over_label_maps(loss)


@pytest.mark.parametrize("several", [[losses.Crossentropy()], {"main": "dice"}])
def test_several_losses_are_refused(several):
    with pytest.raises(ValueError, match="`loss` must be one loss"):
        loss_over_label_maps(several)


@pytest.mark.parametrize(
    "loss",
    [
        losses.Crossentropy(),
        losses.Crossentropy(ignore_class=None),
        keras.losses.SparseCategoricalCrossentropy(True, ignore_class=255),
    ],
)
def test_another_ignore_class_is_refused(loss):
    with pytest.raises(ValueError, match="`ignore_class` of the loss must be the mod"):
        loss_over_label_maps(loss, ignore_class=0)


def test_own_losses_are_left_alone():
    class Own(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return ops.mean(y_pred, axis=-1)

    def own(y_true, y_pred):
        return ops.mean(y_pred, axis=-1)

    ours = losses.OHEMCrossentropy(), KerasLoss(keras.losses.Dice())
    for loss in (own, Own(), *ours):
        assert loss_over_label_maps(loss) is loss
    assert isinstance(loss_over_label_maps(None, 7), losses.Crossentropy)
    assert loss_over_label_maps(None, 7).ignore_class == 7


@every_loss
def test_survives_serialization(loss):
    over = loss_over_label_maps(loss())
    restored = keras.losses.deserialize(keras.losses.serialize(over))
    assert isinstance(restored, KerasLoss)
    assert restored.get_config() == over.get_config()
    assert value(restored, SOME, LOGITS) == value(over, SOME, LOGITS)


@pytest.mark.parametrize(
    "name", core_and_full(["categorical", "Dice", "Tversky"], LOSSES)
)
def test_trains(name):
    network = keras.Sequential([keras.Input((5, 6, 3)), keras.layers.Conv2D(3, 1)])
    network.compile(keras.optimizers.Adam(0.1), loss_over_label_maps(LOSSES[name]()))
    history = network.fit(LOGITS, SOME[..., None], batch_size=4, epochs=15, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


@pytest.mark.parametrize("loss", [keras.losses.Dice, keras.losses.Tversky])
def test_images_without_a_label_do_not_count(loss):
    labels = LABELS.copy()
    labels[:2] = 255
    over = loss_over_label_maps(loss(axis=(1, 2, 3)))
    some = value(over, labels, LOGITS)
    assert some == pytest.approx(value(over, labels[2:], LOGITS[2:]), rel=1e-5)
    for every in (over, loss_over_label_maps(loss())):
        assert value(every, np.full_like(LABELS, 255), LOGITS) == 0.0
    total = loss_over_label_maps(loss(axis=(1, 2, 3), reduction="sum"))
    assert value(total, labels, LOGITS) == pytest.approx(2 * some, rel=1e-5)
