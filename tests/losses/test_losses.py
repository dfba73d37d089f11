import keras
import numpy as np
import pytest
import reference
from hypothesis import assume, given
from hypothesis import strategies as st
from keras import ops

from keras_imas import losses


def scalar(tensor):
    assert tuple(tensor.shape) == ()
    assert keras.backend.standardize_dtype(tensor.dtype) == "float32"
    return float(ops.convert_to_numpy(tensor))


def consistency_loss(*args, **options):
    return scalar(losses.consistency_loss(*args, **options))


def ohem_loss(labels, logits, **options):
    return scalar(losses.OHEMCrossentropy(**options)(labels, logits))


def gradient(function, value):
    """Returns d function(value) / d value as a NumPy array, on any backend."""
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(function)(value))
    if keras.backend.backend() == "torch":
        import torch

        tensor = torch.tensor(value, requires_grad=True)
        function(tensor).backward()
        return tensor.grad.numpy()
    import tensorflow as tf

    tensor = tf.constant(value)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        loss = function(tensor)
    return tape.gradient(loss, tensor).numpy()


@st.composite
def views(draw):
    """Returns a view's logits, pseudo labels and confidence, and matching options."""
    batch, height, width, num_classes = draw(
        st.sampled_from([(1, 1, 1, 2), (2, 3, 4, 2), (3, 6, 5, 4)])
    )
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    scale = draw(st.sampled_from([0.5, 1.0, 2500.0]))
    dtype = draw(st.sampled_from(["float32", "float16"]))
    pixels = (batch, height, width)
    options = {"confidence_threshold": draw(st.sampled_from([0.0, 0.5, 0.75, 1.0]))}
    if draw(st.booleans()):
        options["hardness"] = rng.random(batch).astype("float32")
    if draw(st.booleans()):
        valid = rng.random(pixels) < draw(st.sampled_from([0.0, 0.5, 1.0]))
        valid[0] = draw(st.booleans())
        options["valid_mask"] = valid
    return (
        (rng.integers(-4, 5, (*pixels, num_classes)) * scale).astype(dtype),
        rng.integers(0, num_classes, pixels).astype("int32"),
        # Eighths are exact: a confidence on the threshold counts.
        (rng.integers(0, 9, pixels) / 8).astype("float32"),
        options,
    )


def one_view():
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=3, size=(3, 6, 5, 4)).astype("float32")
    labels = rng.integers(0, 4, (3, 6, 5)).astype("int32")
    return logits, labels, rng.random((3, 6, 5)).astype("float32")


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("case", range(6))
@pytest.mark.parametrize("function", [consistency_loss, reference.consistency_loss])
def test_consistency_matches_the_published_program(goldens, case, weighted, function):
    loss = function(
        goldens[f"case{case}_strong_logits"],
        goldens[f"case{case}_pseudo_labels"],
        goldens[f"case{case}_confidence"],
        hardness=goldens[f"case{case}_hardness"] if weighted else None,
        confidence_threshold=goldens["cases"][case]["threshold"],
    )
    name = "loss_hardness_weighted" if weighted else "loss_uniform"
    assert loss == pytest.approx(float(goldens[f"case{case}_{name}"]), abs=1e-5)


@given(views())
def test_consistency_matches_the_reference(drawn):
    *view, options = drawn
    expected = reference.consistency_loss(*view, **options)
    result = consistency_loss(*view, **options)
    assert result == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_consistency_defaults():
    view = one_view()
    expected = reference.consistency_loss(*view, confidence_threshold=0.7)
    assert consistency_loss(*view) == pytest.approx(expected, rel=1e-5)


def test_consistency_averages_over_unconfident_pixels_too():
    logits = np.zeros((1, 2, 2, 4), "float32")
    labels = np.zeros((1, 2, 2), "int32")
    confidence = np.array([[[0.9, 0.1], [0.1, 0.1]]], "float32")
    result = consistency_loss(logits, labels, confidence)
    assert result == pytest.approx(np.log(4) / 4, rel=1e-5)
    result = consistency_loss(
        logits, labels, confidence, hardness=np.array([0.25], "float32")
    )
    assert result == pytest.approx(0.75 * np.log(4) / 4, rel=1e-5)


def test_image_without_valid_pixels_has_no_loss_but_counts():
    logits = np.zeros((2, 2, 2, 4), "float32")
    labels = np.zeros((2, 2, 2), "int32")
    sure = np.ones((2, 2, 2), "float32")
    valid = np.stack([np.zeros((2, 2), bool), np.ones((2, 2), bool)])
    result = consistency_loss(logits, labels, sure, valid_mask=valid)
    assert result == pytest.approx(np.log(4) / 2, rel=1e-5)
    nothing = np.zeros((2, 2, 2), bool)
    assert consistency_loss(logits, labels, sure, valid_mask=nothing) == 0.0


def test_hard_images_have_no_loss():
    assert consistency_loss(*one_view(), hardness=np.ones(3, "float32")) == 0.0


@pytest.mark.parametrize("valid", [False, True])
def test_consistency_gradient(valid):
    logits, labels, confidence = one_view()
    logits[0, 0, 0] = [1e4, -1e4, 0, 0]
    hardness = np.array([0.2, 0.9, 0.5], "float32")
    valid_mask = np.ones((3, 6, 5), bool)
    if valid:
        valid_mask[:, :3] = False
        valid_mask[1] = False

    def loss(x):
        return losses.consistency_loss(
            x, labels, confidence, hardness=hardness, valid_mask=valid_mask
        )

    expected = reference.softmax(logits) - np.eye(4)[labels]
    expected *= ((confidence >= 0.7) & valid_mask)[..., None]
    expected /= np.maximum(valid_mask.sum(axis=(1, 2)), 1)[:, None, None, None] * 3
    expected *= (1 - hardness)[:, None, None, None]
    np.testing.assert_allclose(gradient(loss, logits), expected, atol=1e-6)


def test_consistency_accepts_arrays_and_tensors_of_any_library(as_input):
    view = one_view()
    hardness = np.array([0.2, 0.9, 0.5], "float32")
    valid = np.ones((3, 6, 5), bool)
    valid[:, 4:] = False
    result = consistency_loss(
        *[as_input(x) for x in view],
        hardness=as_input(hardness),
        valid_mask=as_input(valid),
    )
    expected = reference.consistency_loss(*view, hardness, valid_mask=valid)
    assert result == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("threshold", [-0.1, 1.5])
def test_consistency_rejects_a_threshold_outside_the_unit_interval(threshold):
    with pytest.raises(ValueError, match=r"`confidence_threshold`.*Received"):
        losses.consistency_loss(*one_view(), confidence_threshold=threshold)


@pytest.mark.parametrize(
    "name", ["pseudo_labels", "confidence", "hardness", "valid_mask"]
)
def test_consistency_rejects_different_shapes(name):
    logits, labels, confidence = one_view()
    arguments = {"pseudo_labels": labels, "confidence": confidence}
    arguments[name] = np.ones((2,) if name == "hardness" else (3, 6, 4), "int32")
    with pytest.raises(ValueError, match=rf"`{name}`.*Received"):
        losses.consistency_loss(logits, **arguments)


def test_consistency_rejects_the_wrong_rank():
    logits, labels, confidence = one_view()
    with pytest.raises(ValueError, match=r"`(logits|pseudo_labels)`.*Received"):
        losses.consistency_loss(logits[0], labels[0], confidence[0])


@pytest.mark.parametrize("case", range(6))
def test_ohem_matches_the_published_program(goldens, case):
    labels, logits = (goldens[f"ohem{case}_{k}"] for k in ("labels", "logits"))
    options = {
        "threshold": float(goldens[f"ohem{case}_threshold"]),
        "min_kept": int(goldens[f"ohem{case}_min_kept"]),
    }
    expected = float(goldens[f"ohem{case}_loss"])
    assert ohem_loss(labels, logits, **options) == pytest.approx(expected, abs=1e-5)
    assert reference.ohem_loss(labels, logits, **options) == pytest.approx(
        expected, abs=1e-5
    )
    options["min_kept"] = 0
    expected = float(goldens[f"ohem{case}_cross_entropy"])
    assert ohem_loss(labels, logits, **options) == pytest.approx(expected, abs=1e-5)


@given(
    st.integers(0, 10**6),
    st.sampled_from([2, 4]),
    st.sampled_from([0.0, 0.5, 0.95, 1.0]),
    st.sampled_from([0.3, 0.7, 0.9]),
    st.sampled_from([0, 1, 5, 12, 100]),
)
def test_ohem_matches_the_reference(seed, num_classes, ignored, threshold, min_kept):
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=3, size=(2, 2, 3, num_classes)).astype("float32")
    labels = rng.integers(0, num_classes, (2, 2, 3))
    labels[rng.random(labels.shape) < ignored] = 255
    assume(np.abs(reference.softmax(logits) - threshold).min() > 1e-5)
    options = {"threshold": threshold, "min_kept": min_kept}
    expected = reference.ohem_loss(labels, logits, **options)
    result = ohem_loss(labels, logits, **options)
    assert result == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_ohem_defaults():
    labels = np.zeros((1, 320, 320), "int32")
    labels[:, :, :10] = 255
    logits = np.zeros((1, 320, 320, 2), "float32")
    logits[..., 0] = 5  # probability 0.993: easy, but fewer valid pixels than min_kept
    logits[:, 0, :, 0] = -5
    expected = reference.cross_entropy([5, 0], 0) * 319 / 320
    expected += reference.cross_entropy([-5, 0], 0) / 320
    assert ohem_loss(labels, logits) == pytest.approx(expected, rel=1e-4)
    # Of more valid pixels than that, those up to the probability of the last rank.
    labels[:] = 0
    logits[:, 310:315, :, 0] = 8  # the pixels of ranks 99,201 to 100,800
    logits[:, 315:, :, 0] = 12
    expected = 320 * reference.cross_entropy([-5, 0], 0)
    expected += 309 * 320 * reference.cross_entropy([5, 0], 0)
    expected += 1600 * reference.cross_entropy([8, 0], 0)
    assert ohem_loss(labels, logits) == pytest.approx(expected / 100_800, rel=1e-4)


def test_ohem_keeps_ties():
    # Every probability is exactly one quarter, so the first rank keeps all pixels.
    logits = np.zeros((2, 2, 3, 4), "float32")
    labels = np.arange(12).reshape(2, 2, 3) % 4
    result = ohem_loss(labels, logits, threshold=0.1, min_kept=1)
    assert result == pytest.approx(np.log(4), rel=1e-5)


def test_ohem_without_valid_pixels_is_zero():
    logits = np.random.default_rng(0).normal(size=(2, 2, 3, 4)).astype("float32")
    labels = np.full((2, 2, 3), 255)
    for min_kept in (0, 5, 100):
        assert ohem_loss(labels, logits, min_kept=min_kept) == 0.0
        function = losses.OHEMCrossentropy(min_kept=min_kept)
        result = gradient(lambda x, f=function: f(labels, x), logits)
        np.testing.assert_array_equal(result, np.zeros_like(logits))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_ohem_of_extreme_logits_is_finite(dtype):
    logits = np.array([[[[1e4, -1e4], [-1e4, 1e4], [1e4, -1e4]]]], dtype)
    labels = np.array([[[0, 0, 255]]])
    result = ohem_loss(labels, logits, min_kept=1)
    assert result == pytest.approx(2e4, rel=1e-5)
    result = ohem_loss(labels, logits, min_kept=2)
    assert result == pytest.approx(1e4, rel=1e-5)


def test_ohem_ignore_class_may_be_a_class():
    logits = np.random.default_rng(0).normal(size=(2, 2, 3, 4)).astype("float32")
    labels = np.random.default_rng(1).integers(0, 4, (2, 2, 3))
    options = {"threshold": 0.5, "min_kept": 5, "ignore_class": 0}
    expected = reference.ohem_loss(labels, logits, **options)
    assert ohem_loss(labels, logits, **options) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("min_kept", [0, 1, 5, 100])
def test_ohem_gradient(min_kept):
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=3, size=(2, 2, 3, 4)).astype("float32")
    labels = rng.integers(0, 4, (2, 2, 3))
    labels[0, 0] = 255
    valid = labels != 255
    true = np.eye(4)[np.where(valid, labels, 0)]
    probabilities = reference.softmax(logits)
    probability = np.where(valid, (true * probabilities).sum(axis=-1), 1.0)
    kept = valid
    if 0 < min_kept <= valid.sum():
        rank = np.sort(probability, axis=None)[min_kept - 1]
        kept = valid & (probability <= max(0.5, rank))
    expected = (probabilities - true) * kept[..., None] / kept.sum()
    function = losses.OHEMCrossentropy(threshold=0.5, min_kept=min_kept)
    result = gradient(lambda x: function(labels, x), logits)
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_ohem_accepts_arrays_and_tensors_of_any_library(as_input):
    logits = np.random.default_rng(0).normal(size=(2, 2, 3, 4)).astype("float32")
    labels = np.random.default_rng(1).integers(0, 4, (2, 2, 3)).astype("int32")
    expected = reference.ohem_loss(labels, logits, min_kept=5)
    result = ohem_loss(as_input(labels), as_input(logits), min_kept=5)
    assert result == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("min_kept", [5, 100_000])
def test_ohem_trains_a_model(min_kept):
    # Five images in batches of two: the last batch is smaller.
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(3, 1)(inputs))
    model.compile(optimizer="sgd", loss=losses.OHEMCrossentropy(min_kept=min_kept))
    images = np.random.default_rng(0).normal(size=(5, 4, 4, 3)).astype("float32")
    labels = np.random.default_rng(1).integers(0, 3, (5, 4, 4))
    history = model.fit(images, labels, batch_size=2, epochs=2, verbose=0)
    assert np.all(np.isfinite(history.history["loss"]))


def test_ohem_of_groups_is_the_mean_of_theirs():
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=3, size=(6, 2, 3, 4)).astype("float32")
    labels = rng.integers(0, 4, (6, 2, 3))
    labels[2:4] = 255  # a group without valid pixels
    expected = np.mean(
        [
            reference.ohem_loss(labels[i : i + 2], logits[i : i + 2], min_kept=3)
            for i in (0, 2, 4)
        ]
    )
    result = ohem_loss(labels, logits, min_kept=3, group_size=2)
    assert result == pytest.approx(expected, rel=1e-5)


def test_ohem_survives_serialization():
    loss = losses.OHEMCrossentropy(0.5, min_kept=7, ignore_class=3, group_size=2)
    restored = keras.losses.deserialize(keras.losses.serialize(loss))
    assert isinstance(restored, losses.OHEMCrossentropy)
    assert restored.get_config() == loss.get_config()
    assert restored.min_kept == 7


def test_ohem_rejects_bad_arguments():
    with pytest.raises(ValueError, match=r"`threshold`.*Received"):
        losses.OHEMCrossentropy(threshold=1.5)
    with pytest.raises(ValueError, match=r"`min_kept`.*Received"):
        losses.OHEMCrossentropy(min_kept=-1)
    with pytest.raises(ValueError, match=r"`group_size` must be positive.*=0"):
        losses.OHEMCrossentropy(group_size=0)
    logits, labels = np.zeros((3, 2, 2, 4), "float32"), np.zeros((3, 2, 2), int)
    with pytest.raises(ValueError, match=r"`group_size` must.*=2, a batch of 3"):
        losses.OHEMCrossentropy(group_size=2)(labels, logits)


def balanced_case():
    rng = np.random.default_rng(2)
    logits = rng.normal(scale=3, size=(4, 2, 3, 4)).astype("float32")
    labels = rng.integers(0, 4, (4, 2, 3))
    labels[0, 0] = 255
    return logits, labels, (0.5, 1.0, 3.0, 0.0)


@pytest.mark.parametrize(
    "loss", [losses.Crossentropy, lambda **o: losses.OHEMCrossentropy(min_kept=0, **o)]
)
def test_class_weights_scale_the_pixels_of_a_class(loss):
    logits, labels, weights = balanced_case()
    valid = labels != 255
    each = [
        weights[label] * reference.cross_entropy(pixel, label)
        for pixel, label in zip(logits[valid], labels[valid], strict=True)
    ]
    result = scalar(loss(class_weights=weights)(labels, logits))
    assert result == pytest.approx(np.mean(each), rel=1e-5)
    ones = scalar(loss(class_weights=(1, 1, 1, 1))(labels, logits))
    assert ones == pytest.approx(scalar(loss()(labels, logits)), rel=1e-6)


def test_class_weights_do_not_choose_the_hard_pixels():
    logits, labels, weights = balanced_case()
    valid = labels != 255
    losses_ = np.array(
        [
            reference.cross_entropy(pixel, label)
            for pixel, label in zip(logits[valid], labels[valid], strict=True)
        ]
    )
    kept = losses_ >= np.sort(losses_)[-5]
    expected = (losses_ * np.take(weights, labels[valid]))[kept].mean()
    options = {"threshold": 0.0, "min_kept": 5, "class_weights": weights}
    assert ohem_loss(labels, logits, **options) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", [losses.Crossentropy, losses.OHEMCrossentropy])
def test_class_weights_survive_serialization(kind):
    loss = kind(class_weights=np.array([1, 2.5], "float32"))
    restored = keras.losses.deserialize(keras.losses.serialize(loss))
    assert restored.get_config() == loss.get_config()
    assert list(restored.class_weights) == [1.0, 2.5]


@pytest.mark.parametrize("kind", [losses.Crossentropy, losses.OHEMCrossentropy])
@pytest.mark.parametrize("weights", [(1, -1), (1, np.nan), (), ("a", 1), 3.0])
def test_class_weights_must_be_numbers(kind, weights):
    with pytest.raises(ValueError, match=r"`class_weights` must be.*Received"):
        kind(class_weights=weights)


@pytest.mark.parametrize("kind", [losses.Crossentropy, losses.OHEMCrossentropy])
def test_class_weights_must_be_as_many_as_classes(kind):
    logits, labels, _ = balanced_case()
    with pytest.raises(ValueError, match=r"`class_weights`.*3 numbers.*4 classes"):
        kind(class_weights=(1, 2, 3))(labels, logits)


KINDS = {
    "cross-entropy": losses.Crossentropy,
    "no mining": lambda **options: losses.OHEMCrossentropy(min_kept=0, **options),
    "mining": lambda **o: losses.OHEMCrossentropy(threshold=0.5, min_kept=9, **o),
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def labeled_logits(shape=(4, 4, 4), num_classes=3):
    rng = np.random.default_rng(3)
    logits = rng.normal(scale=2, size=(*shape, num_classes)).astype("float32")
    labels = rng.integers(0, num_classes, shape)
    labels[:, 0] = 255
    return labels, logits


@every_kind
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool"])
def test_a_channel_axis_of_labels_changes_nothing(kind, batch, dtype):
    labels, logits = labeled_logits()
    labels, logits = labels[:batch].astype(dtype), logits[:batch]
    expected = scalar(kind()(labels, logits))
    assert scalar(kind()(labels[..., None], logits)) == expected > 0


@every_kind
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda labels: labels.astype("float32"), "as integers.*dtype float32.*argmax"),
        (lambda labels: np.eye(256, dtype=int)[labels][..., :3], "one-hot.*argmax"),
        (lambda labels: labels[:, :2], r"must have the shape \(4, 4, 4\).*\(4, 2, 4\)"),
        (lambda labels: labels[0], r"must have the shape.*Received: \(4, 4\)"),
    ],
)
def test_what_is_no_label_map_is_refused(kind, change, message):
    labels, logits = labeled_logits()
    with pytest.raises(ValueError, match=f"`y_true`.*{message}"):
        kind()(change(labels), logits)


@every_kind
def test_one_channel_is_refused_with_the_remedy(kind):
    labels, logits = labeled_logits()
    with pytest.raises(ValueError, match="`y_pred` must have a channel.*zeros"):
        kind()(labels, logits[..., :1])


@every_kind
def test_no_class_may_be_ignored(kind):
    labels, logits = labeled_logits()
    labels[:, 0] = 1
    result = scalar(kind(ignore_class=None)(labels, logits))
    assert result == pytest.approx(scalar(kind()(labels, logits)), rel=1e-6)


@given(
    st.integers(0, 10**6),
    st.sampled_from(["images", "column", "pixels", "channel"]),
    st.sampled_from([0, 255]),
)
def test_weights_match_the_reference(seed, shape, ignore_class):
    rng = np.random.default_rng(seed)
    labels, logits = labeled_logits()
    shapes = {
        "images": (4,),
        "column": (4, 1),
        "pixels": (4, 4, 4),
        "channel": (4, 4, 4, 1),
    }
    weights = rng.choice([0.0, 0.5, 1.0, 3.0], shapes[shape]).astype("float32")
    by_pixel = np.reshape(weights, (4, -1))
    by_pixel = np.broadcast_to(by_pixel, (4, 16)).reshape(4, 4, 4)
    labels = np.where(labels == 255, ignore_class, labels)
    expected = reference.weighted_cross_entropy(labels, logits, by_pixel, ignore_class)
    for kind in (KINDS["cross-entropy"], KINDS["no mining"]):
        result = scalar(kind(ignore_class=ignore_class)(labels, logits, weights))
        assert result == pytest.approx(expected, rel=1e-5, abs=1e-7)


@every_kind
@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("of", ["images", "pixels"])
def test_what_has_no_weight_may_hold_any_label(kind, size, of):
    labels, logits = labeled_logits((4, size, size))
    weights = np.array([1, 0, 0, 1], "float32")
    if of == "pixels":
        weights = np.zeros((4, size, size), "float32")
        weights[:, :, : size // 2] = 1
    expected = scalar(kind()(labels, logits, weights))
    assert expected > 0
    by_pixel = weights[:, None, None] if of == "images" else weights
    nothing = np.broadcast_to(by_pixel == 0, labels.shape)
    for other in ((labels + 1) % 3, np.full_like(labels, 255)):
        changed = np.where(nothing, other, labels)
        assert scalar(kind()(changed, logits, weights)) == pytest.approx(expected)
    left_out = scalar(kind()(np.where(nothing, 255, labels), logits))
    assert left_out == pytest.approx(expected, rel=1e-6)


@every_kind
@pytest.mark.parametrize("shape", [(4,), (4, 4, 4)])
def test_weights_of_one_are_no_weights(kind, shape):
    labels, logits = labeled_logits()
    ones = np.ones(shape, "float32")
    result = scalar(kind()(labels, logits, ones))
    assert result == pytest.approx(scalar(kind()(labels, logits)), rel=1e-6)


@every_kind
@pytest.mark.parametrize("shape", [(3,), (4, 4), (4, 2, 4), (2, 4, 4), (16,)])
def test_weights_of_another_shape_are_refused(kind, shape):
    labels, logits = labeled_logits()
    with pytest.raises(ValueError, match=r"`sample_weight` must weigh.*Received"):
        kind()(labels, logits, np.ones(shape, "float32"))


def test_weights_with_groups_are_refused():
    labels, logits = labeled_logits()
    loss = losses.OHEMCrossentropy(group_size=2)
    with pytest.raises(ValueError, match="`sample_weight` does not go.*`group_size"):
        loss(labels, logits, np.ones((4,), "float32"))


def test_which_pixels_are_hard_does_not_depend_on_weights():
    labels, logits = labeled_logits()
    weights = np.where(np.arange(4) < 2, 3.0, 1.0).astype("float32")
    each = [
        reference.cross_entropy(logits[index], labels[index])
        if labels[index] != 255
        else 0.0
        for index in np.ndindex(4, 4, 4)
    ]
    bound = sorted(each)[-9]
    kept = [
        loss * w
        for loss, w in zip(each, weights.repeat(16), strict=True)
        if loss >= bound
    ]
    result = scalar(losses.OHEMCrossentropy(0.0, 9)(labels, logits, weights))
    assert result == pytest.approx(np.sum(kept) / 9, rel=1e-5)


@every_kind
def test_reductions(kind):
    labels, logits = labeled_logits()
    weights = np.array([1, 2, 0, 4], "float32")
    pixels = np.broadcast_to(weights[:, None, None], labels.shape)
    counted = (labels != 255) & (pixels > 0)
    if kind is not KINDS["mining"]:
        total = scalar(kind(reduction="sum")(labels, logits, weights))
        mean = scalar(kind()(labels, logits, weights))
        if kind is KINDS["cross-entropy"]:
            assert mean == pytest.approx(total / counted.sum(), rel=1e-5)
        by_weight = kind(reduction="mean_with_sample_weight")(labels, logits, weights)
        expected = mean * counted.sum() / pixels[counted].sum()
        assert scalar(by_weight) == pytest.approx(expected, rel=1e-5)


@every_kind
def test_half_precision_keeps_large_ids_apart(kind):
    labels = np.full((1, 2, 2), 4000)
    labels[0, 0] = 4001
    logits = np.zeros((1, 2, 2, 4002), "float16")
    logits[..., 4000] = 20
    before = keras.config.floatx()
    keras.config.set_floatx("float16")
    try:
        result = float(kind(ignore_class=4001)(labels, logits))
    finally:
        keras.config.set_floatx(before)
    assert result == pytest.approx(0.0, abs=1e-3)
