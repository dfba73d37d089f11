import importlib.util
import itertools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import reference
from keras import ops

import keras_imas
from keras_imas.metrics import MeanIoU
from keras_imas.runs.recipe import Recipe

HEIGHT, WIDTH, CLASSES = 6, 7, 3
TRAINING_LOGS = {
    "loss",
    "supervised_loss",
    "consistency_loss",
    "hardness",
    "pseudo_label_ratio",
    "teacher_decay",
}
UNIFORM = {
    "adaptive_intensity": False,
    "adaptive_cutmix": False,
    "hardness_weighting": False,
}


class InjectedDraws(keras_imas.IMAS):
    """Takes the draws of each step from `draws` instead of drawing them."""

    draws = None

    def sample_draws(self, batch_size, height, width):
        return {name: ops.convert_to_tensor(x) for name, x in self.draws.items()}


def images(count, seed=0, size=(HEIGHT, WIDTH)):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 255, (count, *size, 3)).astype("float32")


def label_maps(count, seed=0, size=(HEIGHT, WIDTH), ignore_class=255):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, (count, *size)).astype("int32")
    labels[:, 0, :2] = ignore_class
    return labels


def batch(labeled=2, unlabeled=4):
    return {
        "labeled": images(labeled, 0),
        "unlabeled": images(unlabeled, 1),
        "unlabeled_strong": images(unlabeled, 2),
    }


def conv_student(size=(HEIGHT, WIDTH), dropout=0.0):
    inputs = keras.Input((*size, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Conv2D(CLASSES, 1)(x))


def compiled(model, learning_rate=0.01, **options):
    """Compiles for plain SGD, whose steps are the gradients."""
    model.compile(keras.optimizers.SGD(learning_rate), **options)
    return model


def eager(model, learning_rate=0.01, **options):
    """Compiles to run eagerly: less to wait for where few steps are taken."""
    return compiled(model, learning_rate, run_eagerly=True, **options)


def step(model, inputs=None, labels=None):
    """Trains for one step and returns its logs."""
    inputs = batch() if inputs is None else inputs
    labels = label_maps(len(inputs["labeled"])) if labels is None else labels
    return model.train_on_batch(inputs, labels, return_dict=True)


def weights(model):
    return [np.array(value) for value in model.get_weights()]


def assert_all_close(left, right, **tolerance):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_allclose(a, b, **{"rtol": 1e-5, "atol": 1e-6, **tolerance})


# One step against NumPy: a linear student, whose logits NumPy computes as well.


def linear_student(strides=(1,)):
    """A 1x1 convolution for each output, at a stride."""
    inputs = keras.Input((HEIGHT, WIDTH, 3))
    outputs = [
        keras.layers.Conv2D(CLASSES, 1, strides=stride)(inputs) for stride in strides
    ]
    return keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0])


def random_parameters(seed, outputs=1):
    rng = np.random.default_rng(seed)
    shapes = [(1, 1, 3, CLASSES), (CLASSES,)] * outputs
    return [rng.normal(0, 0.03, shape) for shape in shapes]


def resized(logits, height=HEIGHT, width=WIDTH):
    """Resizes bilinearly with aligned corners."""
    old_height, old_width = logits.shape[1:3]
    result = np.zeros((len(logits), height, width, logits.shape[-1]))
    for row in range(height):
        for column in range(width):
            y = row * (old_height - 1) / (height - 1)
            x = column * (old_width - 1) / (width - 1)
            for i, j in np.ndindex(old_height, old_width):
                weight = max(0, 1 - abs(y - i)) * max(0, 1 - abs(x - j))
                result[:, row, column] += weight * logits[:, i, j]
    return result


def linear_logits(parameters, views, strides=(1,), output=0):
    kernel, bias = parameters[2 * output : 2 * output + 2]
    stride = strides[output]
    return resized(np.float64(views)[:, ::stride, ::stride] @ kernel[0, 0] + bias)


def mean_cross_entropy(logits, labels, ignore_class):
    pixels = [p for p in np.ndindex(labels.shape) if labels[p] != ignore_class]
    losses = [reference.cross_entropy(logits[p], labels[p]) for p in pixels]
    return sum(losses) / len(pixels)


def numpy_targets(parameters, teacher, inputs, draws, options, strides):
    """The views, pseudo labels and weights of a step: what gradients don't touch."""
    weak, strong = inputs["unlabeled"], inputs["unlabeled_strong"]
    valid = inputs.get("unlabeled_valid", np.ones(weak.shape[:3]))
    threshold = options.get("confidence_threshold", 0.7)
    teacher_logits = linear_logits(teacher, weak, strides)
    hardness = reference.hardness(
        linear_logits(parameters, weak, strides),
        teacher_logits,
        valid_mask=valid,
        confidence_threshold=threshold,
        background_class=options.get("background_class"),
    )
    if options.get("adaptive_intensity", True):
        strong = reference.blend(strong, weak, hardness)

    adaptive = options.get("adaptive_cutmix", True)
    size = options.get("pairing_group_size") or len(weak)
    mixed, partners = [], []
    for group, first in enumerate(range(0, len(weak), size)):
        members = slice(first, first + size)
        probability = np.mean(1 - hardness[members]) if adaptive else 1.0
        if options.get("cutmix_probability") is not None:
            probability = options["cutmix_probability"]
        mixed += [bool(draws["coin"][group] < probability)] * size
        order = hardness if adaptive else draws["shuffle"]
        partners += list(first + reference.cutmix_partners(order[members]))

    target = {
        "labels": teacher_logits.argmax(-1),
        "confidence": reference.confidences(teacher_logits),
        "valid": valid,
    }
    cutmix = {
        name: reference.paste(value, draws["boxes"], partners)
        for name, value in {"images": weak, **target}.items()
    }
    return {
        "hardness": hardness,
        "mixed": mixed,
        "strong": {"images": strong, **target},
        "cutmix": cutmix,
    }


def numpy_losses(parameters, targets, inputs, labels, options, strides):
    """The supervised and the consistency loss as functions of the student."""
    ignore_class = options.get("ignore_class", 255)

    def supervised(output):
        logits = linear_logits(parameters, inputs["labeled"], strides, output)
        return mean_cross_entropy(logits, labels, ignore_class)

    def consistency(view, image):
        chosen = slice(image, image + 1)
        hardness = targets["hardness"][chosen]
        return reference.consistency_loss(
            linear_logits(parameters, targets[view]["images"][chosen], strides),
            targets[view]["labels"][chosen],
            targets[view]["confidence"][chosen],
            hardness=hardness if options.get("hardness_weighting", True) else None,
            confidence_threshold=options.get("confidence_threshold", 0.7),
            valid_mask=targets[view]["valid"][chosen],
        )

    supervised_loss = supervised(0)
    if len(strides) > 1:
        supervised_loss += options.get("auxiliary_weight", 0.4) * supervised(1)
    image_losses = [
        0.5 * (consistency("strong", image) + consistency("cutmix", image))
        if mixed
        else consistency("strong", image)
        for image, mixed in enumerate(targets["mixed"])
    ]
    return supervised_loss, np.mean(image_losses)


DRAWS = {
    "boxes": np.array(
        [[0, 1, 3, 6], [2, 0, 5, 4], [1, 3, 6, 7], [0, 0, 4, 4]], "int32"
    ),
    "coin": np.array([0.0], "float32"),
    "shuffle": np.array([0.9, 0.1, 0.5, 0.3], "float32"),
}
TAILS = {"coin": np.array([0.999], "float32")}
PADDING = np.ones((4, HEIGHT, WIDTH), "float32")
PADDING[0, 4:] = PADDING[1, :, :3] = PADDING[3] = 0
GROUPS = {"pairing_group_size": 2}
# Name: options of the model, draws, more inputs, strides of the outputs.
STEPS = {
    "all on, mixed": ({}, {}, {}, (1,)),
    "all on, not mixed": ({}, TAILS, {}, (1,)),
    "uniform": (UNIFORM, TAILS, {}, (1,)),
    "uniform, seldom mixed": ({**UNIFORM, "cutmix_probability": 0.9}, TAILS, {}, (1,)),
    "intensity": ({**UNIFORM, "adaptive_intensity": True}, {}, {}, (1,)),
    "cutmix": ({**UNIFORM, "adaptive_cutmix": True}, {}, {}, (1,)),
    "weighting": ({**UNIFORM, "hardness_weighting": True}, {}, {}, (1,)),
    "padding": ({}, {}, {"unlabeled_valid": PADDING}, (1,)),
    "groups": (GROUPS, {"coin": np.array([0.999, 0.0], "float32")}, {}, (1,)),
    "uniform groups": (
        {**UNIFORM, **GROUPS, "cutmix_probability": 0.5},
        {"coin": np.array([0.4, 0.6], "float32")},
        {},
        (1,),
    ),
    "background": ({"background_class": 1}, {}, {}, (1,)),
    "numbers": (
        {"confidence_threshold": 0.5, "unlabeled_weight": 0.5, "ignore_class": 1},
        {},
        {},
        (1,),
    ),
    "auxiliary": ({}, {}, {}, (1, 1)),
    "low resolution": ({"auxiliary_weight": 0.1}, {}, {}, (2, 3)),
}


def linear_step(name, seed=0):
    """Sets a case of `STEPS` up, at step 3 with a teacher that differs."""
    options, draws, more, strides = STEPS[name]
    model = InjectedDraws(linear_student(strides), **options)
    parameters = random_parameters(seed, len(strides))
    noise = random_parameters(seed + 1, len(strides))
    teacher = [a + 0.3 * b for a, b in zip(parameters, noise, strict=True)]
    model.student.set_weights(parameters)
    model.teacher.set_weights(teacher)
    model.step.assign(3)
    model.draws = {**DRAWS, **draws}
    inputs = {**batch(), **more}
    labels = label_maps(2, ignore_class=options.get("ignore_class", 255))
    targets = numpy_targets(parameters, teacher, inputs, model.draws, options, strides)
    losses = (targets, inputs, labels, options, strides)
    return model, parameters, teacher, losses


@pytest.mark.parametrize("name", STEPS)
def test_a_step_matches_numpy(name):
    model, parameters, teacher, losses = linear_step(name)
    targets, inputs, labels, options, strides = losses
    logs = step(eager(model, 1e-3), inputs, labels)
    supervised, consistency = numpy_losses(parameters, *losses)
    threshold = options.get("confidence_threshold", 0.7)
    valid = targets["strong"]["valid"]
    sure = valid * (targets["strong"]["confidence"] >= threshold)
    ratios = sure.sum((1, 2)) / np.maximum(valid.sum((1, 2)), 1)
    expected = {
        "supervised_loss": supervised,
        "consistency_loss": consistency,
        "loss": supervised + options.get("unlabeled_weight", 3.0) * consistency,
        "hardness": targets["hardness"].mean(),
        "pseudo_label_ratio": ratios.mean(),
        "teacher_decay": 0.75,
    }
    assert set(logs) == TRAINING_LOGS
    for key, value in expected.items():
        assert float(logs[key]) == pytest.approx(value, rel=1e-4, abs=1e-5), key
    assert 0.05 < expected["hardness"] < 0.95 and consistency > 0.01
    moved = [
        reference.ema_update(old, new, 0.75)
        for old, new in zip(teacher, weights(model.student), strict=True)
    ]
    assert_all_close(weights(model.teacher), moved)


def test_the_cases_differ():
    """No switch is without effect on the consistency loss in these cases."""
    values = [numpy_losses(p, *rest)[1] for _, p, _, rest in map(linear_step, STEPS)]
    assert len(set(np.round(values, 6))) >= len(values) - 1  # auxiliary: supervised


@pytest.mark.parametrize("name", ["all on, mixed", "padding", "low resolution"])
def test_gradients_are_those_of_the_two_losses_alone(name):
    """None flows through scores, views, pseudo labels, hardness, or the teacher."""
    model, parameters, _, losses = linear_step(name)
    step(compiled(model, 1e-3), *losses[1:3])

    def loss(parameters):
        supervised, consistency = numpy_losses(parameters, *losses)
        return supervised + 3.0 * consistency

    for index, (value, after) in enumerate(
        zip(parameters, weights(model.student), strict=True)
    ):
        gradient = np.zeros_like(value)
        for position in np.ndindex(value.shape):
            bumps = []
            for bump in (1e-6, -1e-6):
                bumped = [np.array(p) for p in parameters]
                bumped[index][position] += bump
                bumps.append(loss(bumped))
            gradient[position] = (bumps[0] - bumps[1]) / 2e-6
        np.testing.assert_allclose(
            (value - after) / 1e-3, gradient, rtol=2e-3, atol=2e-3
        )


# Training from data of every kind.


def as_source(kind, inputs, labels):
    """Returns the positional arguments of `fit`."""
    if kind == "numpy":
        return inputs, labels
    if kind.startswith("tf.data"):
        tf = pytest.importorskip("tensorflow")
        dataset = tf.data.Dataset.from_tensor_slices((inputs, labels))
        return (dataset.batch(2, drop_remainder=kind == "tf.data, known batch"),)
    if kind == "DataLoader":
        data = pytest.importorskip("torch").utils.data
        examples = [
            ({name: value[i] for name, value in inputs.items()}, labels[i])
            for i in range(len(labels))
        ]
        return (data.DataLoader(examples, batch_size=2),)

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            chosen = slice(2 * index, 2 * index + 2)
            return {k: v[chosen] for k, v in inputs.items()}, labels[chosen]

    return (Batches(),)


@pytest.fixture(scope="module")
def fitted():
    """A model to train again and again, which saves compiling it."""
    model = keras_imas.IMAS(conv_student(), seed=0)
    return compiled(model, metrics=[MeanIoU(CLASSES, ignore_class=255)])


@pytest.mark.parametrize(
    "kind",
    ["numpy", "tf.data, known batch", "tf.data, any batch", "PyDataset", "DataLoader"],
)
def test_fit_takes_data_of_every_kind(kind, fitted):
    inputs, labels = batch(4, 4), label_maps(4)
    inputs["unlabeled_valid"] = PADDING
    before = weights(fitted.student)
    fitted.step.assign(0)
    history = fitted.fit(
        *as_source(kind, inputs, labels),
        batch_size=2 if kind == "numpy" else None,
        validation_data=(images(3, 5), label_maps(3)),
        epochs=2,
        verbose=0,
    ).history
    assert set(history) == TRAINING_LOGS | {"val_loss", "val_mean_iou"}
    assert np.isfinite(list(history.values())).all()
    assert history["teacher_decay"] == pytest.approx([0.25, (2 / 3 + 3 / 4) / 2])
    assert int(fitted.step) == 4
    after = weights(fitted.student)
    assert all((a != b).any() for a, b in zip(before, after, strict=True))


def test_fit_on_labeled_images_alone(fitted):
    history = fitted.fit(
        {"labeled": images(4)},
        label_maps(4),
        batch_size=2,
        validation_data=(images(3, 5), label_maps(3)),
        verbose=0,
    ).history
    names = {"loss", "supervised_loss", "teacher_decay"}
    assert set(history) == names | {"val_loss", "val_mean_iou"}
    assert history["loss"] == history["supervised_loss"]


def test_compile_takes_any_loss():
    logs = {}
    for name, loss in (
        ("default", None),
        ("all", keras_imas.losses.OHEMCrossentropy(min_kept=0)),
        ("hard", keras_imas.losses.OHEMCrossentropy(0.3, min_kept=5)),
    ):
        keras.utils.set_random_seed(0)
        model = eager(keras_imas.IMAS(conv_student(), seed=0), loss=loss)
        logs[name] = step(model)
        assert set(logs[name]) == TRAINING_LOGS
    assert logs["all"] == pytest.approx(logs["default"], rel=1e-4)
    assert logs["hard"]["supervised_loss"] > 1.1 * logs["all"]["supervised_loss"]


# What the parts mean.


def test_teacher_copies_then_averages_batch_statistics_included():
    model = keras_imas.IMAS(
        conv_student(), supervised_only_steps=1, ema_copy_steps=2, ema_decay=0.7, seed=0
    )
    eager(model)
    for number in range(6):
        before = weights(model.teacher)
        decay = reference.ema_decay(number, 0.7, start_step=1, copy_until=3)
        assert step(model)["teacher_decay"] == pytest.approx(decay, abs=1e-6)
        expected = [
            reference.ema_update(old, new, decay)
            for old, new in zip(before, weights(model.student), strict=True)
        ]
        assert_all_close(weights(model.teacher), expected)
        if number < 3:
            for a, b in zip(
                weights(model.teacher), weights(model.student), strict=True
            ):
                np.testing.assert_array_equal(a, b)
        moved = [
            (a != b).any() for a, b in zip(before, weights(model.teacher), strict=True)
        ]
        assert all(moved)  # the statistics of batch normalization are among them


def test_the_optimizer_trains_the_student_alone():
    model = keras_imas.IMAS(conv_student())
    assert len(model.trainable_variables) == len(model.student.trainable_variables)


@pytest.mark.parametrize("trainable", [True, False])
def test_the_teacher_is_the_average_whatever_is_trainable(trainable):
    def teacher(set_trainable):
        keras.utils.set_random_seed(0)
        model = keras_imas.IMAS(conv_student(), seed=0, ema_decay=0.9)
        if set_trainable:
            model.trainable = True
            model.teacher.trainable = trainable
        model.compile(keras.optimizers.AdamW(1e-3, weight_decay=10.0))
        for _ in range(2):
            model.train_on_batch(batch(), label_maps(2))
        return weights(model.teacher)

    for a, b in zip(teacher(True), teacher(False), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_teacher_is_saved_as_a_network_that_trains(tmp_path):
    model = keras_imas.IMAS(conv_student())
    model.teacher.save(tmp_path / "teacher.keras")
    loaded = keras.saving.load_model(tmp_path / "teacher.keras")
    assert len(loaded.trainable_variables) == len(model.student.trainable_variables)


def test_predicts_before_it_has_trained():
    """Also images of a size that the network does not fix."""
    model = keras_imas.IMAS(conv_student(size=(None, None)))
    assert model.predict(images(2), verbose=0).shape == (2, HEIGHT, WIDTH, CLASSES)


def test_the_student_is_no_teacher():
    student = conv_student()
    with pytest.raises(ValueError, match="`teacher` must be a second model"):
        keras_imas.IMAS(student, student)


def test_losses_of_layers_count_once():
    def loss(regularized):
        inputs = keras.Input((HEIGHT, WIDTH, 3))
        regularizer = keras.regularizers.L2(1e-4) if regularized else None
        x = keras.layers.Rescaling(1 / 255)(inputs)
        x = keras.layers.Activation("linear", activity_regularizer=regularizer)(x)
        outputs = keras.layers.Conv2D(CLASSES, 1, kernel_initializer="ones")(x)
        model = keras_imas.IMAS(keras.Model(inputs, outputs), seed=0)
        model.compile(keras.optimizers.SGD(0.0))
        return model.train_on_batch(batch(2, 2), label_maps(2), return_dict=True)[
            "supervised_loss"
        ]

    # Of the mean over the six images of the training pass, not of scoring passes too.
    views = np.concatenate([x / 255 for x in batch(2, 2).values()])
    once = 1e-4 * np.mean(np.sum(views**2, axis=(1, 2, 3)))
    assert loss(True) - loss(False) == pytest.approx(once, rel=0.2)


@pytest.mark.parametrize("kind", ["list", "dict"])
def test_all_auxiliary_outputs_train(kind):
    inputs = keras.Input((HEIGHT, WIDTH, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    heads = [keras.layers.Conv2D(CLASSES, 1, strides=s) for s in (1, 2, 1, 4)]
    outputs = [head(x) for head in heads]
    if kind == "dict":
        names = ("main", "auxiliary", "auxiliary_2", "auxiliary_3")
        outputs = dict(zip(names, outputs, strict=True))
    model = keras_imas.IMAS(keras.Model(inputs, outputs), seed=0)
    model.compile(keras.optimizers.SGD(0.1))
    before = [weights(head) for head in heads]
    model.train_on_batch(batch(), label_maps(2))
    for head, old in zip(heads, before, strict=True):
        assert (weights(head)[0] != old[0]).any()


def test_no_consistency_in_the_warm_up():
    students = []
    last = []
    for options in ({"unlabeled_weight": 0.0}, {"supervised_only_steps": 2}):
        keras.utils.set_random_seed(0)
        model = keras_imas.IMAS(
            conv_student(), confidence_threshold=0.0, seed=0, **options
        )
        eager(model)
        for _ in range(2):
            log = step(model)
            assert log["loss"] == log["supervised_loss"]
            assert log["consistency_loss"] > 0
        students.append(weights(model.student))
        last.append(step(model))
    assert_all_close(*students)
    assert last[0]["loss"] == last[0]["supervised_loss"]
    expected = last[1]["supervised_loss"] + 3.0 * last[1]["consistency_loss"]
    assert last[1]["loss"] == pytest.approx(expected, rel=1e-5)


def test_unlabeled_weight_may_be_a_schedule():
    schedule = keras.optimizers.schedules.PolynomialDecay(
        0.0, 4, end_learning_rate=2.0, power=2.0
    )
    model = eager(
        keras_imas.IMAS(
            conv_student(), unlabeled_weight=schedule, confidence_threshold=0.0
        )
    )
    for number in range(6):
        log = step(model)
        weight = (log["loss"] - log["supervised_loss"]) / log["consistency_loss"]
        expected = 2.0 - 2.0 * (1 - min(number, 4) / 4) ** 2
        assert weight == pytest.approx(expected, abs=1e-4)


def test_the_teacher_waits_while_gradients_accumulate():
    model = keras_imas.IMAS(conv_student(), ema_decay=0.5, seed=0)
    optimizer = keras.optimizers.SGD(0.01, gradient_accumulation_steps=2)
    model.compile(optimizer, run_eagerly=True)
    teachers = [model.teacher.get_weights()]
    for _ in range(4):
        step(model)
        teachers.append(model.teacher.get_weights())
    changed = [
        any(abs(a - b).max() > 0 for a, b in zip(*pair, strict=True))
        for pair in itertools.pairwise(teachers)
    ]
    assert changed == [False, True, False, True]


def test_accumulated_gradients_are_those_of_the_large_batch():
    """Two updates of 4 + 8 images, at once and in two steps each."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, (4, HEIGHT, WIDTH)).astype("int32")
    inputs = batch(4, 8)
    boxes = np.tile(np.array([[1, 2, 5, 6]], "int32"), (8, 1))
    shuffle = rng.uniform(size=8).astype("float32")
    trained = []
    for parts in (1, 2):
        keras.utils.set_random_seed(1)
        model = InjectedDraws(
            linear_student(), confidence_threshold=0.0, pairing_group_size=4
        )
        coin = np.zeros(2 // parts, "float32")
        model.compile(
            keras.optimizers.SGD(
                0.1, gradient_accumulation_steps=parts if parts > 1 else None
            ),
            run_eagerly=True,
        )
        for _ in range(2):
            for part in range(parts):
                own = {
                    name: np.split(value, parts)[part] for name, value in inputs.items()
                }
                size = 8 // parts
                model.draws = {
                    "boxes": boxes[:size],
                    "coin": coin,
                    "shuffle": shuffle[:size],
                }
                step(model, own, np.split(labels, parts)[part])
        trained.append(weights(model.student) + weights(model.teacher))
    assert_all_close(*trained, rtol=1e-4, atol=1e-5)
    assert any(
        abs(a - b).max() > 1e-3
        for a, b in zip(trained[0][:2], trained[0][2:], strict=True)
    )


def test_an_unlabeled_weight_ramps_up_after_the_warm_up():
    """As `keras_imas.runs.recipe.Recipe.rampup_steps` has it."""
    model = eager(
        keras_imas.IMAS(
            conv_student(),
            unlabeled_weight=Recipe(rampup_steps=2).unlabeled_weight_schedule(),
            supervised_only_steps=2,
            confidence_threshold=0.0,
        )
    )
    weights = []
    for _ in range(6):
        log = step(model)
        extra = log["loss"] - log["supervised_loss"]
        weights.append(extra / log["consistency_loss"])
    np.testing.assert_allclose(weights, [0, 0, 0, 1.5, 3, 3], atol=1e-4)


def test_scores_are_in_inference_mode():
    """Dropout and batch statistics would let equal networks disagree."""
    model = keras_imas.IMAS(conv_student(dropout=0.9), confidence_threshold=0.0)
    logs = step(eager(model))
    assert logs["hardness"] == pytest.approx(0.0, abs=1e-6)
    assert logs["pseudo_label_ratio"] == 1.0
    model = keras_imas.IMAS(conv_student(dropout=0.9), confidence_threshold=1.0)
    assert step(eager(model))["hardness"] == pytest.approx(1.0, abs=1e-6)


def test_all_views_share_batch_statistics_once():
    inputs = keras.Input((HEIGHT, WIDTH, 3))
    x = keras.layers.BatchNormalization(momentum=0.9)(inputs)
    student = keras.Model(inputs, keras.layers.Conv2D(CLASSES, 1)(x))
    model = InjectedDraws(student, **UNIFORM)
    model.draws = DRAWS
    step(eager(model))
    views = batch()
    partners = reference.cutmix_partners(DRAWS["shuffle"])
    pasted = reference.paste(views["unlabeled"], DRAWS["boxes"], partners)
    both = np.concatenate([views["labeled"], views["unlabeled_strong"], pasted])
    moving_mean = weights(student)[2]
    np.testing.assert_allclose(moving_mean, 0.1 * both.mean((0, 1, 2)), rtol=1e-4)


def test_hardness_of_the_logs_is_that_of_the_function():
    model = keras_imas.IMAS(conv_student(), confidence_threshold=0.4)
    model.teacher.set_weights([1.3 * w + 0.05 for w in model.teacher.get_weights()])
    weak = batch()["unlabeled"]
    hardness = keras_imas.hardness(
        model.student.predict_on_batch(weak),
        model.teacher.predict_on_batch(weak),
        confidence_threshold=0.4,
    )
    logs = step(eager(model))
    assert logs["hardness"] == pytest.approx(float(ops.mean(hardness)), rel=1e-4)
    assert 0 < logs["hardness"] < 1


def test_seed_repeats_a_run():
    runs = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(0)
        model = eager(
            keras_imas.IMAS(conv_student(), seed=seed, confidence_threshold=0.3)
        )
        runs.append([step(model)["consistency_loss"] for _ in range(3)])
    assert runs[0] == pytest.approx(runs[1], rel=1e-5)
    assert runs[0] != pytest.approx(runs[2], rel=1e-4)


def test_draws_are_in_range_and_new_each_time():
    model = keras_imas.IMAS(conv_student(), pairing_group_size=4, seed=0)
    draws = [
        {k: ops.convert_to_numpy(v) for k, v in model.sample_draws(8, 32, 48).items()}
        for _ in range(2)
    ]
    for draw in draws:
        assert {k: v.shape for k, v in draw.items()} == {
            "boxes": (8, 4),
            "coin": (2,),
            "shuffle": (8,),
        }
        assert (draw["boxes"] >= 0).all() and (draw["boxes"] <= [32, 48, 32, 48]).all()
        for name in ("coin", "shuffle"):
            assert (draw[name] >= 0).all() and (draw[name] < 1).all()
    assert all((draws[0][name] != draws[1][name]).any() for name in draws[0])


@pytest.fixture
def bfloat16():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


def test_mixed_precision(bfloat16):
    """Losses, scores and predictions are in float32."""
    model = eager(keras_imas.IMAS(conv_student(), confidence_threshold=0.3, seed=0))
    assert np.isfinite(list(step(model).values())).all()
    logits = model.predict(images(2), verbose=0)
    assert logits.dtype == "float32"
    weak = batch()["unlabeled"]
    networks = (model.student, model.teacher)
    student, teacher = (
        ops.cast(network(weak, training=False), "float32") for network in networks
    )
    hardness = keras_imas.hardness(student, teacher, confidence_threshold=0.3)
    logs = step(model)
    assert logs["hardness"] == pytest.approx(float(ops.mean(hardness)), abs=0.02)


def test_learns_an_easy_problem():
    """Three colors, three classes, two labeled images."""
    rng = np.random.default_rng(0)
    colors = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200]], "float32")

    def scenes(count):
        labels = rng.integers(0, 3, (count, 2, 3)).repeat(4, 1).repeat(4, 2)
        noise = rng.normal(0, 30, (*labels.shape, 3))
        return np.clip(colors[labels] + noise, 0, 255).astype("float32"), labels

    labeled, labels = scenes(2)
    unlabeled, _ = scenes(8)
    test = scenes(4)
    model = keras_imas.IMAS(
        conv_student((8, 12)), ema_decay=0.8, unlabeled_weight=1.0, seed=0
    )
    compiled(model, 0.3, metrics=[MeanIoU(CLASSES)])
    before = model.evaluate(*test, verbose=0, return_dict=True)
    losses = []
    for number in range(40):
        weak = unlabeled[number % 2 :: 2]
        strong = np.clip(1.4 * weak - 40, 0, 255)
        inputs = {"labeled": labeled, "unlabeled": weak, "unlabeled_strong": strong}
        losses.append(step(model, inputs, labels)["supervised_loss"])
    after = model.evaluate(*test, verbose=0, return_dict=True)
    assert losses[-1] < 0.5 * losses[0]
    assert after["loss"] < 0.5 * before["loss"]
    assert before["mean_iou"] < 0.6 and after["mean_iou"] > 0.8


# Students of every kind.


@keras.saving.register_keras_serializable(package="test_imas")
class Subclassed(keras.Model):
    def __init__(self, filters=4, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.hidden = keras.layers.Conv2D(filters, 3, padding="same")
        self.norm = keras.layers.BatchNormalization(momentum=0.9)
        self.head = keras.layers.Conv2D(CLASSES, 1)

    def call(self, images, training=None):
        return self.head(self.norm(self.hidden(images), training=training))

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


class WithoutConfig(keras.Model):
    def __init__(self, filters):
        super().__init__()
        self.head = keras.layers.Conv2D(filters, 1)

    def call(self, images):
        return self.head(images)


def built(student):
    student(images(1))
    return student


def test_subclassed_student():
    model = keras_imas.IMAS(built(Subclassed(filters=5)))
    assert model.teacher.filters == 5
    assert_all_close(weights(model.teacher), weights(model.student))
    assert set(step(eager(model, 1e-6))) == TRAINING_LOGS
    assert model.predict(images(3), verbose=0).shape == (3, HEIGHT, WIDTH, CLASSES)


def test_student_that_cannot_be_cloned_needs_a_teacher():
    with pytest.raises(ValueError, match="can't clone.*WithoutConfig.*`teacher=`"):
        keras_imas.IMAS(built(WithoutConfig(CLASSES)))
    student, teacher = (built(WithoutConfig(CLASSES)) for _ in range(2))
    model = keras_imas.IMAS(student, teacher)
    assert model.teacher is teacher
    assert_all_close(weights(teacher), weights(student))
    assert set(step(eager(model, 1e-6))) == TRAINING_LOGS


def test_sequential_student():
    layers = [keras.Input((HEIGHT, WIDTH, 3)), keras.layers.Conv2D(CLASSES, 1)]
    model = eager(keras_imas.IMAS(keras.Sequential(layers)), 1e-6)
    assert set(step(model)) == TRAINING_LOGS


@keras.saving.register_keras_serializable(package="test_imas")
class ManyOutputs(Subclassed):
    """Returns `(logits, auxiliary logits)` as a tuple, a list or a dict."""

    def __init__(self, kind="tuple", **kwargs):
        super().__init__(**kwargs)
        self.kind = kind
        self.auxiliary = keras.layers.Conv2D(CLASSES, 1, strides=2)

    def call(self, images, training=None):
        x = self.norm(self.hidden(images), training=training)
        outputs = self.head(x), self.auxiliary(x)
        if self.kind == "dict":
            return dict(zip(("main", "auxiliary"), outputs, strict=True))
        return list(outputs) if self.kind == "list" else outputs

    def get_config(self):
        return {**super().get_config(), "kind": self.kind}


def with_outputs(kind):
    """A student with two outputs; the second has a quarter of the pixels."""
    if kind.startswith("subclassed"):
        return built(ManyOutputs(kind.split()[-1]))
    inputs = keras.Input((HEIGHT, WIDTH, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    main = keras.layers.Conv2D(CLASSES, 1)(x)
    auxiliary = keras.layers.Conv2D(CLASSES, 1, strides=2)(x)
    if kind.endswith("dict"):
        return keras.Model(inputs, {"main": main, "auxiliary": auxiliary})
    return keras.Model(inputs, [main, auxiliary])


@pytest.mark.parametrize(
    "kind",
    [
        "functional list",
        "functional dict",
        "subclassed tuple",
        "subclassed list",
        "subclassed dict",
    ],
)
def test_first_of_several_outputs_is_the_main_one(kind):
    model = keras_imas.IMAS(with_outputs(kind), auxiliary_weight=0.25, seed=0)
    outputs = model.student(batch()["labeled"], training=False)
    if isinstance(outputs, dict):
        outputs = [outputs["main"], outputs["auxiliary"]]
    main, auxiliary = (ops.convert_to_numpy(x) for x in outputs)
    assert main.shape[1:3] == (HEIGHT, WIDTH) != auxiliary.shape[1:3]
    np.testing.assert_allclose(
        model.predict(batch()["labeled"], verbose=0), main, rtol=1e-4, atol=1e-3
    )
    if kind.startswith("functional"):  # no batch normalization: the same in training
        labels = label_maps(2)
        expected = mean_cross_entropy(main, labels, 255)
        expected += 0.25 * mean_cross_entropy(resized(auxiliary), labels, 255)
        logs = step(eager(model, 1e-6), labels=labels)
        assert logs["supervised_loss"] == pytest.approx(expected, rel=1e-4)


def test_a_dict_of_unclear_outputs():
    with pytest.raises(ValueError, match=r'"auxiliary".*\[\'one\', \'two\'\]'):
        keras_imas.inference.list_outputs({"one": 1, "two": 2})


def test_dropout_differs_between_steps():
    model = keras_imas.IMAS(conv_student(dropout=0.5), ema_decay=0.0)
    eager(model, 0.0, loss=keras.losses.SparseCategoricalCrossentropy(True))
    labels = np.zeros((2, HEIGHT, WIDTH), "int32")
    losses = [step(model, labels=labels)["supervised_loss"] for _ in range(2)]
    assert losses[0] != losses[1]


# Evaluation, prediction, files.


def test_the_teacher_evaluates_and_predicts():
    model = compiled(
        keras_imas.IMAS(conv_student()), metrics=[MeanIoU(CLASSES, ignore_class=255)]
    )
    model.teacher.set_weights([w + 0.1 for w in model.teacher.get_weights()])
    x, labels = images(3, 5), label_maps(3)
    logits = model.predict(x, batch_size=2, verbose=0)
    expected = model.teacher.predict(x, verbose=0)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    assert np.abs(logits - model.student.predict(x, verbose=0)).max() > 1e-3
    values = model.evaluate(x, labels, batch_size=3, verbose=0, return_dict=True)
    assert set(values) == {"loss", "mean_iou"}
    assert values["loss"] == pytest.approx(
        mean_cross_entropy(logits, labels, 255), rel=1e-4
    )
    assert values["mean_iou"] == pytest.approx(
        reference.mean_iou(labels, logits.argmax(-1), CLASSES, 255), rel=1e-4
    )


def test_logits_of_lower_resolution_come_out_at_the_resolution_of_the_images():
    layers = [
        keras.Input((None, None, 3)),
        keras.layers.Conv2D(CLASSES, 3, strides=2, padding="same"),
    ]
    model = eager(keras_imas.IMAS(keras.Sequential(layers)), 1e-6)
    for size in ((6, 7), (9, 5)):
        predicted = model.predict(images(2, size=size), verbose=0)
        assert predicted.shape == (2, *size, CLASSES)
        low = model.teacher.predict(images(2, size=size), verbose=0)
        np.testing.assert_allclose(predicted, resized(low, *size), rtol=1e-3, atol=1e-3)
    assert set(step(model)) == TRAINING_LOGS


def trained(**options):
    options = {
        "confidence_threshold": 0.4,
        "unlabeled_weight": keras.optimizers.schedules.PolynomialDecay(
            0.0, 8, end_learning_rate=2.0
        ),
        "ema_decay": 0.9,
        "background_class": 0,
        "pairing_group_size": 2,
        **options,
    }
    model = keras_imas.IMAS(conv_student(), **options)
    rate = keras.optimizers.schedules.PolynomialDecay(0.02, 10, power=0.9)
    model.compile(
        keras_imas.optimizers.SGD(rate, momentum=0.9, l2=1e-3),
        keras_imas.losses.OHEMCrossentropy(0.8),
        metrics=[MeanIoU(CLASSES, ignore_class=255)],
        run_eagerly=True,
    )
    for _ in range(2):
        step(model)
    return model


def test_a_saved_model_loads_and_trains_on(tmp_path):
    model = trained(cutmix_probability=0.0)  # no draw has an effect
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is keras_imas.IMAS
    before, after = model.get_config(), loaded.get_config()
    assert after["unlabeled_weight"]["config"] == before["unlabeled_weight"]["config"]
    nested = {"student", "teacher", "unlabeled_weight"}
    assert {k: v for k, v in after.items() if k not in nested} == {
        k: v for k, v in before.items() if k not in nested
    }
    assert int(loaded.step) == 2
    assert_all_close(weights(loaded), weights(model), rtol=0, atol=0)
    assert_all_close(weights(loaded.teacher), weights(model.teacher), rtol=0, atol=0)
    x, labels = images(3, 5), label_maps(3)
    np.testing.assert_allclose(
        loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-5
    )
    values = [
        m.evaluate(x, labels, verbose=0, return_dict=True) for m in (loaded, model)
    ]
    assert set(values[0]) == {"loss", "mean_iou"}
    assert values[0] == pytest.approx(values[1], rel=1e-4)
    # Momentum and schedules go on where they were.
    assert_all_close(
        [ops.convert_to_numpy(v) for v in loaded.optimizer.variables],
        [ops.convert_to_numpy(v) for v in model.optimizer.variables],
    )
    for _ in range(2):
        assert step(loaded) == pytest.approx(step(model), rel=1e-4)
    assert_all_close(weights(loaded), weights(model), rtol=1e-4)
    assert int(loaded.step) == 4


def test_config_holds_every_argument():
    model = keras_imas.IMAS(conv_student(), cutmix_range=[0.3, 0.4], name="mine")
    config = model.get_config()
    copy = keras_imas.IMAS.from_config(config)
    assert copy.name == "mine" and copy.cutmix_range == (0.3, 0.4)
    assert copy.unlabeled_weight == 3.0
    arguments = {
        "confidence_threshold": 0.1,
        "unlabeled_weight": 0.2,
        "ema_decay": 0.3,
        "ema_copy_steps": 4,
        "supervised_only_steps": 5,
        "background_class": 2,
        "ignore_class": 6,
        "auxiliary_weight": 0.7,
        "cutmix_range": (0.2, 0.8),
        "cutmix_probability": 0.9,
        "pairing_group_size": 4,
        "adaptive_intensity": False,
        "adaptive_cutmix": False,
        "hardness_weighting": False,
        "seed": 10,
    }
    config = keras_imas.IMAS.from_config(
        keras_imas.IMAS(conv_student(), **arguments).get_config()
    ).get_config()
    assert {name: config[name] for name in arguments} == arguments


def test_a_subclassed_student_saves_and_loads(tmp_path):
    model = eager(keras_imas.IMAS(built(Subclassed(filters=5))), 1e-6)
    step(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_all_close(
        loaded.predict(images(2), verbose=0), model.predict(images(2), verbose=0)
    )


def test_teacher_loads_with_keras_alone(tmp_path):
    model = compiled(keras_imas.IMAS(conv_student()))
    step(model)
    model.teacher.save(tmp_path / "teacher.keras")
    np.save(tmp_path / "images.npy", images(2))
    program = (
        "import keras, numpy, sys\n"
        "model = keras.saving.load_model('teacher.keras')\n"
        "logits = model.predict_on_batch(numpy.load('images.npy'))\n"
        "numpy.save('logits.npy', logits)\n"
        "assert 'keras_imas' not in sys.modules\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr[-4000:]
    np.testing.assert_allclose(
        np.load(tmp_path / "logits.npy"),
        model.predict(images(2), verbose=0),
        rtol=1e-4,
        atol=1e-5,
    )


def with_lower_resolution():
    inputs = keras.Input((HEIGHT, WIDTH, 3))
    outputs = [keras.layers.Conv2D(CLASSES, 1, strides=s)(inputs) for s in (2, 3)]
    return keras_imas.IMAS(keras.Model(inputs, outputs))


@pytest.mark.skipif(
    not importlib.util.find_spec("tensorflow"), reason="needs TensorFlow"
)
@pytest.mark.skipif(
    keras.backend.backend() == "torch",
    reason="Keras exports SavedModels from the TensorFlow and JAX backends only",
)
def test_exports_a_saved_model(tmp_path):
    import tensorflow as tf

    model = with_lower_resolution()
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(
        exported.serve(images(3)),
        model.predict(images(3), verbose=0),
        rtol=1e-4,
        atol=1e-3,
    )


@pytest.mark.torch_only
def test_exports_a_torch_program(tmp_path):
    import torch

    model = with_lower_resolution()
    model.export(tmp_path / "exported.pt2", format="torch", verbose=False)
    program = torch.export.load(tmp_path / "exported.pt2").module()
    with torch.no_grad():
        logits = program(torch.from_numpy(images(1)))
    np.testing.assert_allclose(
        logits.numpy(), model.predict(images(1), verbose=0), rtol=1e-4, atol=1e-3
    )


# Errors.


@pytest.mark.parametrize(
    "options, match",
    [
        ({"confidence_threshold": 1.5}, r"`confidence_threshold` .*\[0, 1\].*1\.5"),
        ({"ema_decay": -0.1}, r"`ema_decay` .*\[0, 1\].*-0\.1"),
        ({"cutmix_probability": 2}, r"`cutmix_probability` .*\[0, 1\].*2"),
        ({"cutmix_range": (0.9, 0.1)}, r"`cutmix_range` .*increasing.*\(0\.9, 0\.1\)"),
        ({"cutmix_range": (0.1, 1.1)}, r"`cutmix_range` .*\[0, 1\].*\(0\.1, 1\.1\)"),
        ({"ema_copy_steps": -1}, "`ema_copy_steps` .*negative.*-1"),
        ({"supervised_only_steps": -2}, "`supervised_only_steps` .*negative.*-2"),
        ({"auxiliary_weight": -0.5}, "`auxiliary_weight` .*negative.*-0.5"),
        ({"unlabeled_weight": -3.0}, "`unlabeled_weight` .*negative.*-3.0"),
        ({"pairing_group_size": 0}, "`pairing_group_size` .*positive.*0"),
    ],
)
def test_arguments_out_of_range(options, match):
    with pytest.raises(ValueError, match=match):
        keras_imas.IMAS(conv_student(), **options)


def test_student_without_weights():
    with pytest.raises(ValueError, match="`student` has no weights yet"):
        keras_imas.IMAS(keras.Sequential([keras.layers.Conv2D(CLASSES, 1)]))
    with pytest.raises(ValueError, match="`student` has no weights yet"):
        keras_imas.IMAS(Subclassed())


def without(name):
    return {key: value for key, value in batch(4, 4).items() if key != name}


@pytest.mark.parametrize(
    "options, inputs, match",
    [
        ({}, without("labeled"), "key 'labeled' is missing"),
        ({}, without("unlabeled_strong"), "key 'unlabeled_strong' is missing"),
        ({"background_class": 3}, batch(4, 4), r"`background_class` .*\[0, 3\).*=3"),
        ({"pairing_group_size": 3}, batch(4, 4), "divide.*group_size=3, a batch of 4"),
        ({"pairing_group_size": 1}, batch(4, 4), "needs 2 or more.*group_size=1"),
        ({}, batch(1, 1), "needs 2 or more.*batch of 1,"),
        (
            {},
            {**batch(4, 4), "unlabeled_strong": images(4, size=(6, 8))},
            r"two views.*\(4, 6, 7, 3\) and \(4, 6, 8, 3\)",
        ),
        (
            {},
            {**batch(4, 4), "unlabeled_valid": np.ones((4, 6, 8))},
            r"`valid_mask`.*\(4, 6, 7\).*\(4, 6, 8\)",
        ),
    ],
)
def test_batches_that_do_not_fit(options, inputs, match):
    model = compiled(keras_imas.IMAS(conv_student(), **options))
    labels = label_maps(len(inputs["unlabeled"]))
    with pytest.raises(ValueError, match=match):
        model.fit(inputs, labels, batch_size=4, verbose=0)


def test_crops_of_two_sizes():
    layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(CLASSES, 1)]
    model = compiled(keras_imas.IMAS(keras.Sequential(layers)))
    inputs = {**batch(4, 4), "labeled": images(4, size=(5, 7))}
    with pytest.raises(ValueError, match=r"one size.*\(4, 5, 7, 3\) and \(4, 6, 7"):
        model.fit(inputs, label_maps(4, size=(5, 7)), batch_size=4, verbose=0)


def test_one_unlabeled_image_is_enough_for_random_pairs():
    model = compiled(keras_imas.IMAS(conv_student(), adaptive_cutmix=False))
    assert set(step(model, batch(2, 1))) == TRAINING_LOGS


def test_a_last_batch_of_one_image():
    """Five images in batches of two: refused, rather than paired with itself."""
    model = compiled(keras_imas.IMAS(conv_student()))
    with pytest.raises(ValueError, match="needs 2 or more.*batch of 1,"):
        model.fit(batch(5, 5), label_maps(5), batch_size=2, verbose=0)


def test_a_student_of_classes_rather_than_logits():
    layers = [
        keras.Input((HEIGHT, WIDTH, 3)),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(CLASSES),
    ]
    model = compiled(keras_imas.IMAS(keras.Sequential(layers)))
    with pytest.raises(ValueError, match=r"\(batch, height, width, classes\)"):
        model.fit(batch(4, 4), label_maps(4), verbose=0)
    with pytest.raises(ValueError, match=r"\(batch, height, width, classes\)"):
        model.predict(images(2), verbose=0)


@pytest.mark.parametrize("value", [3, -1, 254])
def test_labels_that_are_no_class(value):
    labels = label_maps(4)
    labels[2, 3, 4] = value
    model = compiled(keras_imas.IMAS(conv_student()))
    before = weights(model.student)
    with pytest.raises(ValueError, match=rf"`y` contains {value}; .* 0 to 2 .*255"):
        model.fit(batch(4, 4), labels, verbose=0)
    assert_all_close(weights(model.student), before, rtol=0, atol=0)


class Labeled(keras.utils.PyDataset):
    """One batch, whose label maps hold a value."""

    def __init__(self, value, evaluates=False):
        super().__init__()
        self.labels = label_maps(4)
        self.labels[2, 3, 4] = value
        self.inputs = images(4) if evaluates else batch(4, 4)

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.inputs, self.labels


@pytest.mark.parametrize("value", [3, -1, 254])
def test_labels_of_a_data_set_that_are_no_class(value):
    model = compiled(keras_imas.IMAS(conv_student()))
    before = weights(model.student) + weights(model.teacher)
    with pytest.raises(ValueError, match=f"label map of step 1 contains {value}; "):
        model.fit(Labeled(value), verbose=0)
    assert_all_close(weights(model.student) + weights(model.teacher), before, rtol=0)
    with pytest.raises(ValueError, match=f"A label map contains {value}; "):
        model.evaluate(Labeled(value, evaluates=True), verbose=0)
    model.fit(Labeled(2), verbose=0)
    model.evaluate(Labeled(2, evaluates=True), verbose=0)


def test_labels_may_be_of_any_ignore_class():
    model = eager(keras_imas.IMAS(conv_student(), ignore_class=-1))
    labels = label_maps(4, ignore_class=-1)
    history = model.fit({"labeled": images(4)}, labels, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_fit_wants_a_dict():
    model = compiled(keras_imas.IMAS(conv_student()))
    with pytest.raises(ValueError, match='`fit` must be a dict with "labeled"'):
        model.fit(images(4), label_maps(4), verbose=0)


@pytest.mark.parametrize("view", ["weak", "strong"])
def test_the_view_that_is_cut_mixed(view):
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
    model = keras_imas.IMAS(
        keras.Sequential(layers),
        cutmix_view=view,
        cutmix_probability=1.0,
        adaptive_intensity=False,
        seed=0,
    )
    images = {"weak": np.zeros((2, 8, 8, 3)), "strong": np.full((2, 8, 8, 3), 255.0)}
    batch = {
        "labeled": images["weak"],
        "unlabeled": images["weak"],
        "unlabeled_strong": images["strong"],
    }
    expected = model.student(images[view])
    np.testing.assert_allclose(
        ops.convert_to_numpy(model(batch)["cutmix"]),
        ops.convert_to_numpy(expected),
        rtol=1e-5,
    )
    assert model.get_config()["cutmix_view"] == view


def test_an_unknown_view_to_cut_mix_is_refused():
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
    with pytest.raises(ValueError, match='`cutmix_view` must be "weak" or "strong"'):
        keras_imas.IMAS(keras.Sequential(layers), cutmix_view="both")
