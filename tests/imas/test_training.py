"""What the parts of a step mean."""

import itertools

import keras
import numpy as np
import pytest
import reference
from keras import ops
from tiers import core_and_full
from tiny_imas import (
    CLASSES,
    DRAWS,
    HEIGHT,
    UNIFORM,
    WIDTH,
    InjectedDraws,
    assert_all_close,
    batch,
    compiled,
    conv_student,
    eager,
    images,
    label_maps,
    linear_student,
    step,
    weights,
)

import keras_imas
from keras_imas.metrics import MeanIoU
from keras_imas.runs.recipe import Recipe


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


class CountedSteps(keras_imas.IMAS):
    calls = 0

    def sample_draws(self, batch_size, height, width):
        self.calls += 1
        return super().sample_draws(batch_size, height, width)


@pytest.mark.tensorflow_only
def test_a_step_is_traced_once():
    model = CountedSteps(conv_student())
    model.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9))
    for _ in range(3):
        step(model)
    assert model.calls == 1


def test_the_optimizer_trains_the_student_alone():
    model = keras_imas.IMAS(conv_student())
    assert len(model.trainable_variables) == len(model.student.trainable_variables)


@pytest.mark.parametrize("trainable", core_and_full([False], [True, False]))
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


def test_the_loss_of_evaluation_has_the_regularizers_of_the_teacher():
    """And not those of the student, which is not what is evaluated."""
    regularizer = keras.regularizers.L2(10.0)
    conv = keras.layers.Conv2D(CLASSES, 1, kernel_regularizer=regularizer)
    layers = [keras.Input((HEIGHT, WIDTH, 3)), conv]
    model = compiled(keras_imas.IMAS(keras.Sequential(layers)))
    kernel = model.teacher.layers[-1].kernel
    for value in (0.0, 0.1):
        kernel.assign(ops.full(kernel.shape, value))
        loss = model.evaluate(images(2), label_maps(2), verbose=0)
        # All classes are alike.
        expected = np.log(CLASSES) + 10 * 3 * CLASSES * value**2
        np.testing.assert_allclose(loss, expected, rtol=1e-4)
