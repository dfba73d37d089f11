"""What a run will do and cost, before it starts."""

import time

import numpy as np

from keras_imas.callbacks import format_duration
from keras_imas.models import cost


def describe(recipe, model, batches, *, steps, parts, network=None):
    """Print what a run would do: its data, learning rates, memory and hours.

    The hours are those of one training step on few images on this machine, times what
    a whole step takes more. They overestimate where few images don't fill the device.

    Args:
        recipe: `keras_imas.recipe.Recipe`.
        model: Compiled `keras_imas.IMAS`; it is trained for two steps.
        batches: Its training batches.
        steps: Number of training steps.
        parts: Dict of `keras_imas.data.Examples` by name.
        network: The student for images of the crops' size, whose multiply-adds and
            memory are counted. Defaults to `None`: not counted.
    """
    for name, examples in parts.items():
        print(f"{name}: {len(examples):,} images")
    rates = [float(model.optimizer._learning_rate(at)) for at in (0, steps // 2)]
    print(
        f"learning rate: {rates[0]:.3g} at first, {rates[1]:.3g} after "
        f"{steps // 2:,} steps, 0 after {steps:,}; of the decoder "
        f"{recipe.decoder_multiplier:g} times that"
    )
    inputs, label_map = next(iter(batches))
    for name, value in {**inputs, "label_map": label_map}.items():
        print(f"first batch: {name} {tuple(value.shape)} {value.dtype.name}")

    semi_supervised = "unlabeled" in inputs
    images = len(inputs["labeled"])
    if semi_supervised:
        images += 2 * len(inputs["unlabeled"])
    if network is not None:
        weights = sum(np.prod(v.shape) for v in model.student.weights)
        kept = images * cost.activations(network)
        # In float32; weights: those of student, teacher, momentum and gradient.
        memory = 4 * (kept + 4 * weights) / 2**30
        print(
            f"multiply-adds of an image: {cost.multiply_adds(network) / 1e9:.1f} G; "
            f"memory of a step: about {memory:.1f} GiB in float32 over all devices, "
            f"for {images} images in the student's pass"
        )

    few = {"labeled": recipe.ohem_group_size or 1}
    if semi_supervised:
        few["unlabeled"] = few["unlabeled_strong"] = recipe.pairing_group_size or 2
        few["unlabeled_valid"] = few["unlabeled"]
    batch = {name: np.asarray(inputs[name])[:count] for name, count in few.items()}
    labels = np.asarray(label_map)[: few["labeled"]]
    model.train_on_batch(batch, labels)
    start = time.perf_counter()
    model.train_on_batch(batch, labels)
    seconds = time.perf_counter() - start
    whole = {name: len(inputs[name]) for name in few}
    seconds *= _work(whole) / _work({name: len(batch[name]) for name in few})
    print(
        f"a step takes about {seconds:.2f} s on this machine, "
        f"{steps:,} steps about {format_duration(seconds * steps)}, plus evaluation"
    )
    print("Dry run: nothing was written.")


def _work(count):
    """Count passes of one image: a backward pass is worth two forward passes."""
    unlabeled = count.get("unlabeled", 0)
    return 3 * (count["labeled"] + 2 * unlabeled) + 2 * unlabeled
