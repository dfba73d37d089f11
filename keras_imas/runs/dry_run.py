"""Describe what a run would do and cost."""

import dataclasses
import time

import keras
import numpy as np

from keras_imas.batch_checks import STRONG
from keras_imas.callbacks.time_estimate import format_duration
from keras_imas.models import cost
from keras_imas.models.size_rule import size_rule

_SIDE = 257  # at most, of the crops that are timed
_VIEWS = ("unlabeled", *STRONG, "unlabeled_valid")


def describe(plan):
    """Print what a run would do: its data, learning rates, memory and hours.

    The hours are extrapolated from one training step on few and small crops on this
    machine. They are overestimated if those don't fill the device.

    Args:
        plan: `keras_imas.runs.plan.Plan`; its student is trained for two steps, and
            its multiply-adds and memory are counted if the recipe
            builds it.
    """
    recipe, steps = plan.recipe, plan.steps
    model = plan.model()
    for name, count in plan.parts.counts().items():
        print(f"{name}: {count:,} images")
    schedule = recipe.make_optimizer(steps)._learning_rate
    rates = [float(schedule(at)) for at in (0, steps // 2)]
    print(
        f"learning rate: {rates[0]:.3g} at first, {rates[1]:.3g} after "
        f"{steps // 2:,} steps, 0 after {steps:,}; of the decoder "
        f"{recipe.decoder_multiplier:g} times that"
    )
    inputs, label_map = next(iter(plan.batches()))
    for name, value in {**inputs, "label_map": label_map}.items():
        dtype = keras.backend.standardize_dtype(value.dtype)
        print(f"first batch: {name} {tuple(value.shape)} {dtype}")

    semi_supervised = "unlabeled" in inputs
    images = len(inputs["labeled"])
    if semi_supervised:
        images += 2 * len(inputs["unlabeled"])
    if plan.student is None and not recipe.start_from:
        crops = (recipe.crop_size, recipe.crop_size, 3)
        network = recipe.student(
            plan.parts.num_classes, input_shape=crops, weights=False
        )
        weights = sum(np.prod(v.shape) for v in model.student.weights)
        kept = images * cost.activations(network)
        # In float32; weights: those of student, teacher, gradient and its moments.
        copies = 5 if recipe.optimizer == "adamw" else 4
        memory = 4 * (kept + copies * weights) / 2**30
        print(
            f"multiply-adds of an image: {cost.multiply_adds(network) / 1e9:.1f} G; "
            f"memory of a step: about {memory:.1f} GiB in float32 over all devices, "
            f"for {images} images in the student's pass"
        )

    count = {name: len(inputs[name]) for name in ("labeled", *_VIEWS) if name in inputs}
    few = {name: 2 if name in _VIEWS else 1 for name in count}
    side = _side(model.student, recipe.crop_size)
    batch = {
        name: keras.ops.convert_to_numpy(inputs[name])[:n, :side, :side]
        for name, n in few.items()
    }
    labels = keras.ops.convert_to_numpy(label_map)[:1, :side, :side]
    # Without groups, which could not be so small; weights of classes cost nothing.
    recipe = dataclasses.replace(
        recipe,
        class_weights="",
        ohem_group_size=0,
        pairing_group_size=0,
        accumulation_steps=1,
    )
    model = recipe.model(model.student, steps_per_epoch=1, epochs=steps)
    model.train_on_batch(batch, labels)
    start = time.perf_counter()
    model.train_on_batch(batch, labels)
    seconds = time.perf_counter() - start
    seconds *= _work(count) / _work(few) * (recipe.crop_size / side) ** 2
    print(
        f"a step takes about {seconds:.2f} s on this machine (estimated from one on "
        f"{few['labeled']} + {few.get('unlabeled', 0)} crops of {side} pixels), "
        f"{steps:,} steps about {format_duration(seconds * steps)}, plus evaluation"
    )
    print("Dry run: nothing was written.")


def _side(network, crop_size):
    """Return the side of a small crop that a network takes."""
    rule = size_rule(network)
    if rule.fixed:
        return crop_size
    return min(crop_size, max(_SIDE // rule.multiple, 1) * rule.multiple)


def _work(count):
    """Count passes of one image: a backward pass is worth two forward passes."""
    unlabeled = count.get("unlabeled", 0)
    return 3 * (count["labeled"] + 2 * unlabeled) + 2 * unlabeled
