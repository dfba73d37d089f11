"""One step against NumPy: a linear student, whose logits NumPy computes as well."""

import numpy as np
import pytest
import reference
from tiers import core_and_full
from tiny_imas import (
    CLASSES,
    DRAWS,
    PADDING,
    TRAINING_LOGS,
    UNIFORM,
    InjectedDraws,
    assert_all_close,
    batch,
    compiled,
    eager,
    images,
    label_maps,
    linear_student,
    mean_cross_entropy,
    resized,
    step,
    weights,
)


def random_parameters(seed, outputs=1):
    rng = np.random.default_rng(seed)
    shapes = [(1, 1, 3, CLASSES), (CLASSES,)] * outputs
    return [rng.normal(0, 0.03, shape) for shape in shapes]


def linear_logits(parameters, views, strides=(1,), output=0):
    kernel, bias = parameters[2 * output : 2 * output + 2]
    stride = strides[output]
    return resized(np.float64(views)[:, ::stride, ::stride] @ kernel[0, 0] + bias)


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
    views = [strong]
    if options.get("strong_views") == 2:
        views.append(inputs["unlabeled_strong_2"])
    if options.get("adaptive_intensity", True):
        views = [reference.blend(view, weak, hardness) for view in views]

    adaptive = options.get("adaptive_cutmix", True)
    size = options.get("pairing_group_size") or len(weak)
    each_image = options.get("cutmix_area") is not None

    def plan(boxes, coins):
        """Whether each image is mixed, its box and its partner."""
        mixed, partners = [], []
        for group, first in enumerate(range(0, len(weak), size)):
            members = slice(first, first + size)
            own = 1 - hardness[members] if adaptive else np.ones(size)
            if not each_image:
                own = [np.mean(own)] * size
            if options.get("cutmix_probability") is not None:
                own = [options["cutmix_probability"]] * size
            drawn = coins[members] if each_image else [coins[group]] * size
            mixed += [bool(c < p) for c, p in zip(drawn, own, strict=True)]
            order = hardness if adaptive else draws["shuffle"]
            partners += list(first + reference.cutmix_partners(order[members]))
        return mixed, boxes * np.array(mixed)[:, None], partners

    target = {
        "labels": teacher_logits.argmax(-1),
        "confidence": reference.confidences(teacher_logits),
        "valid": valid,
    }
    if options.get("class_thresholds"):
        of_class = reference.class_thresholds(*target.values(), CLASSES, threshold)
        target["threshold"] = of_class[target["labels"]]

    views = [{"images": view, **target} for view in views]
    if options.get("warp"):
        size_of = options["warp"]
        if options.get("adaptive_intensity", True):
            size_of = size_of * (1 - hardness[:, None, None])
        views = [
            reference.warp(view, size_of * draws[name])
            for view, name in zip(views, DISPLACEMENTS, strict=False)
        ]

    def mixed_view(whole, boxes, partners):
        return {k: reference.paste(x, boxes, partners) for k, x in whole.items()}

    mixed, *where = plan(draws["boxes"], draws["coin"])
    if len(views) == 2:
        _, *where_2 = plan(draws["boxes_2"], draws["coin_2"])
        pair = mixed_view(views[0], *where), mixed_view(views[1], *where_2)
        shares = [(0.5, 0.5)] * len(weak)
    else:
        strong_mixed = options.get("cutmix_view") == "strong"
        source = views[0] if strong_mixed else {"images": weak, **target}
        pair = views[0], mixed_view(source, *where)
        shares = [(0.5, 0.5) if m else (1.0, 0.0) for m in mixed]
    if options.get("complementary_dropout"):
        mask = draws["dropout"]
        if options.get("adaptive_intensity", True):
            mask = (1 - hardness[:, None]) * mask + hardness[:, None]
        masks = mask, 2.0 - mask
        pair = [
            {**view, "images": view["images"] * mask[:, None, None]}
            for view, mask in zip(pair, masks, strict=True)
        ]
    return {"hardness": hardness, "views": pair, "shares": shares, "target": target}


def numpy_losses(parameters, targets, inputs, labels, options, strides):
    """The supervised and the consistency loss as functions of the student."""
    ignore_class = options.get("ignore_class", 255)
    threshold = options.get("confidence_threshold", 0.7)

    def supervised(output):
        logits = linear_logits(parameters, inputs["labeled"], strides, output)
        return mean_cross_entropy(logits, labels, ignore_class)

    def consistency(view, image):
        chosen = slice(image, image + 1)
        hardness = targets["hardness"][chosen]
        return reference.consistency_loss(
            linear_logits(parameters, view["images"][chosen], strides),
            view["labels"][chosen],
            view["confidence"][chosen],
            hardness=hardness if options.get("hardness_weighting", True) else None,
            confidence_threshold=(
                view["threshold"][chosen] if "threshold" in view else threshold
            ),
            valid_mask=view["valid"][chosen],
        )

    supervised_loss = supervised(0)
    if len(strides) > 1:
        supervised_loss += options.get("auxiliary_weight", 0.4) * supervised(1)
    image_losses = [
        sum(
            share * consistency(view, image)
            for share, view in zip(shares, targets["views"], strict=True)
        )
        for image, shares in enumerate(targets["shares"])
    ]
    return supervised_loss, np.mean(image_losses)


TAILS = {"coin": np.array([0.999], "float32")}
GROUPS = {"pairing_group_size": 2}
TWO = {"strong_views": 2, "cutmix_view": "strong"}
SECOND = {
    "boxes_2": DRAWS["boxes"][::-1] // 2 + np.array([[0, 0, 2, 2]], "int32"),
    "coin_2": np.array([0.2], "float32"),
}
STRONG_2 = {"unlabeled_strong_2": images(4, 3)}
COINS = {
    "coin": np.array([0.1, 0.9, 0.3, 0.6], "float32"),
    "coin_2": np.array([0.6, 0.2, 0.9, 0.4], "float32"),
}
AREA = {"cutmix_area": (0.02, 0.4)}
DROPOUT = {"dropout": np.array([[2, 0, 2], [1, 1, 1], [0, 0, 2], [1, 1, 1]], "float32")}
DISPLACEMENTS = {
    name: np.random.default_rng(seed).normal(size=(4, 4, 2)).astype("float32")
    for seed, name in enumerate(("displacements", "displacements_2"))
}
WARP = {"warp": 0.1}
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
    "class thresholds": (
        {"class_thresholds": True, "confidence_threshold": 0.8},
        {},
        {},
        (1,),
    ),
    "auxiliary": ({}, {}, {}, (1, 1)),
    "low resolution": ({"auxiliary_weight": 0.1}, {}, {}, (2, 3)),
    "two strong views": (TWO, SECOND, STRONG_2, (1,)),
    "coin of each image": (AREA, COINS, {}, (1,)),
    "complementary dropout": ({"complementary_dropout": True}, DROPOUT, {}, (1,)),
    "warp": (WARP, DISPLACEMENTS, {"unlabeled_valid": PADDING}, (1,)),
    "warp, mixed strong": (
        {**UNIFORM, **WARP, "cutmix_view": "strong"},
        DISPLACEMENTS,
        {},
        (1,),
    ),
    "all parts with hardness": (
        {**TWO, **AREA, **GROUPS, **WARP, "complementary_dropout": True},
        {**SECOND, **COINS, **DROPOUT, **DISPLACEMENTS},
        {**STRONG_2, "unlabeled_valid": PADDING},
        (1, 1),
    ),
    "all parts without hardness": (
        {
            **UNIFORM,
            **TWO,
            **AREA,
            "cutmix_probability": 0.5,
            "complementary_dropout": True,
            "unlabeled_weight": 0.5,
        },
        {**SECOND, **COINS, **DROPOUT},
        STRONG_2,
        (1,),
    ),
}


def linear_step(name, seed=0):
    """Sets a case of `STEPS` up, at step 3 with a teacher that differs."""
    options, draws, more, strides = STEPS[name]
    dropout = options.get("complementary_dropout", False)
    model = InjectedDraws(linear_student(strides, dropout), **options)
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
    target, threshold = targets["target"], options.get("confidence_threshold", 0.7)
    valid = target["valid"]
    sure = valid * (target["confidence"] >= target.get("threshold", threshold))
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


@pytest.mark.parametrize(
    "name",
    core_and_full(
        ["low resolution", "all parts with hardness"],
        ["all on, mixed", "padding", "low resolution", "all parts with hardness"],
    ),
)
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
