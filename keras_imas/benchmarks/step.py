"""What a training step costs, beside the network passes that it can't do without.

    keras-imas benchmark step --backbone=resnet50 --precision=mixed_bfloat16

Time and memory of a step of iMAS, beside its floor: a supervised step of the same
network over as many images, and the two inference passes that score. They take turns.
The method's own parts, each alone, come along. --pytorch adds a step in plain PyTorch,
of the paper's network; --preset=gpu is the paper's size, for a GPU.
"""

import json
import os
import subprocess
import sys
import time

import keras
import numpy as np
from absl import app, flags
from keras import ops

import keras_imas
from keras_imas.backends.gpu import set_up_gpu
from keras_imas.benchmarks import memory
from keras_imas.benchmarks.floor import Floor
from keras_imas.benchmarks.gpu_facts import gpu_facts, print_facts
from keras_imas.benchmarks.parts import compiled, make_parts
from keras_imas.benchmarks.turns import (
    machine,
    median_and_quartiles,
    ratio,
    save_json,
    take_turns,
)
from keras_imas.command_line.own_command import rerun
from keras_imas.models import BACKBONES, DINO_ENCODERS, cost
from keras_imas.runs.recipe import PRECISIONS, Recipe

FLAGS = flags.FLAGS
PASSES = ("step", "floor", "training pass")
PYTORCH = ("float32", "channels_last", "bfloat16", "as_published")
GPU = {
    "backbone": "resnet50_deep_stem",
    "auxiliary_head": True,
    "crop_size": 769,
    "batch_size": 16,
    "precision": "mixed_bfloat16",
    "rounds": 20,
    "apart": True,
    "pytorch": ["bfloat16"],
}
OUT_OF_MEMORY = ("out of memory", "outofmemory", "resource_exhausted", "oom when")


def define():
    """Define its flags."""
    flags.DEFINE_enum(
        "preset",
        None,
        ["gpu"],
        "gpu: the paper's network in bfloat16, 16 + 16 crops of 769² or as many as "
        "fit, beside PyTorch's step, apart, unless other flags say otherwise.",
    )
    flags.DEFINE_enum(
        "backbone",
        "mobilenet_v2",
        [*BACKBONES, *DINO_ENCODERS],
        "Encoder of a DeepLabV3+, or of a DPT: dinov2_small, ...",
    )
    flags.DEFINE_integer("output_stride", 16, "Output stride.")
    flags.DEFINE_boolean("auxiliary_head", False, "Give the network an auxiliary head.")
    flags.DEFINE_integer("crop_size", 257, "Side of the crops in pixels.", 1)
    flags.DEFINE_integer(
        "batch_size", 2, "Labeled images, and as many unlabeled ones.", 2
    )
    flags.DEFINE_integer("num_classes", 19, "Number of classes.", 2)
    flags.DEFINE_enum("precision", "float32", PRECISIONS, "Keras' policy.")
    flags.DEFINE_boolean(
        "jit_compile", None, "Compile by XLA; default: as Keras chooses."
    )
    flags.DEFINE_integer("rounds", 7, "Rounds, in each of which all take turns.", 1)
    flags.DEFINE_boolean("parts", True, "Measure the method's own parts, each alone.")
    flags.DEFINE_boolean(
        "memory", True, "Measure peak memory, each in its own process."
    )
    flags.DEFINE_enum("only", None, PASSES, "Take steps of one, print JSON, and stop.")
    flags.DEFINE_boolean(
        "apart",
        False,
        "Measure one after the other rather than in turns, each in a process of its "
        "own, so that none holds memory that another needs; halve the batch until a "
        "step fits.",
    )
    flags.DEFINE_boolean(
        "largest_batch",
        False,
        "Double the batch for as long as a step fits, or halve it until one does; then "
        "stop.",
    )
    flags.DEFINE_list(
        "pytorch",
        [],
        "Steps in plain PyTorch to stand beside, on the paper's network "
        f"(--backbone=resnet50_deep_stem --auxiliary_head): {', '.join(PYTORCH)}.",
    )
    flags.register_validator(
        "pytorch",
        lambda variants: set(variants) <= set(PYTORCH),
        f"must be of {', '.join(PYTORCH)}",
    )
    flags.DEFINE_string("json", None, "File to write all numbers to.")


def main(argv):
    if FLAGS.preset == "gpu":
        for name, value in GPU.items():
            FLAGS.set_default(name, value)
    paper = FLAGS.backbone == "resnet50_deep_stem" and FLAGS.auxiliary_head
    if FLAGS.pytorch and not (paper and FLAGS.output_stride == 16):
        raise app.UsageError(
            "--pytorch needs --backbone=resnet50_deep_stem --auxiliary_head "
            "--output_stride=16: PyTorch's step has that network."
        )
    # Several processes take turns on one GPU: none may reserve all of its memory.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    keras.config.set_dtype_policy(FLAGS.precision)
    set_up_gpu()
    if FLAGS.only:
        print(json.dumps(take_alone(FLAGS.only), allow_nan=False))
        return
    print(
        f"{machine()}, {FLAGS.precision}; "
        f"{FLAGS.backbone}, output stride {FLAGS.output_stride}, "
        f"{FLAGS.batch_size} + {FLAGS.batch_size} crops of {FLAGS.crop_size}², "
        f"{FLAGS.num_classes} classes; {memory.device()}"
    )
    if FLAGS.largest_batch:
        find_largest_batch()
        return
    times, first, peaks, facts = (measure_apart if FLAGS.apart else measure_in_turns)()
    print_table(times, first, peaks)
    for name, numbers in facts.items():
        print_facts(name, **numbers)
    print_share(np.median(times["floor"]))
    save_json(
        FLAGS.json,
        __name__,
        seconds=times,
        first_step_seconds=first,
        memory_bytes=peaks,
        gpu=facts,
    )


def measure_in_turns():
    """Return times of all, of first steps, peaks of memory, and no facts of GPUs."""
    takers, first = {}, {}
    for name in PASSES:
        start = time.perf_counter()
        takers[name], _ = make(name)
        takers[name]()
        first[name] = time.perf_counter() - start
        takers[name]()
    if FLAGS.parts:
        parts = make_parts(
            network, FLAGS.batch_size, FLAGS.crop_size, FLAGS.num_classes
        )
        for name, take in parts.items():
            start = time.perf_counter()
            take()
            first[name] = time.perf_counter() - start
        takers.update(parts)
    for variant in FLAGS.pytorch:
        name = f"PyTorch, {variant}"
        start = time.perf_counter()
        takers[name], _ = pytorch_step(variant)
        takers[name]()
        first[name] = time.perf_counter() - start
        takers[name]()
    times = take_turns(takers, FLAGS.rounds)
    peaks = {}
    if FLAGS.memory and memory.is_known():
        alone = {name: measure(name, "--rounds=2") for name in PASSES}
        peaks = {name: found["peak"] for name, found in alone.items() if found}
    return times, first, peaks, {}


def measure_apart():
    """Return the same, and what is known of each on a GPU, one after the other."""
    while (step := measure("step", f"--batch_size={FLAGS.batch_size}")) is None:
        if FLAGS.batch_size < 4:
            sys.exit("Error: not even 2 + 2 images fit into the memory.")
        FLAGS.batch_size //= 2
        print(f"Out of memory; trying {FLAGS.batch_size} + {FLAGS.batch_size} images.")
    found = {"step": step}
    for name in PASSES[1:]:
        found[name] = measure(name, f"--batch_size={FLAGS.batch_size}")
        if found[name] is None:
            sys.exit(f"Error: the {name} does not fit into the memory.")
    times = {name: numbers["seconds"] for name, numbers in found.items()}
    first = {name: numbers["first"] for name, numbers in found.items()}
    peaks = {name: numbers["peak"] for name, numbers in found.items()}
    facts = {name: found[name]["gpu"] for name in found if found[name]["gpu"]}
    for variant in FLAGS.pytorch:
        name = f"PyTorch, {variant}"
        start = time.perf_counter()
        take, process = pytorch_step(variant)
        take()
        first[name] = time.perf_counter() - start
        take()
        times.update(take_turns({name: take}, FLAGS.rounds))
        process.stdin.close()
        process.wait()
    return times, first, peaks, facts


def take_alone(name):
    """Return what a process finds out of one of the passes: numbers for JSON.

    Args:
        name: One of `PASSES`.

    Returns:
        Dict of `"first"` and `"seconds"`, of the first step and of each that follows,
        `"peak"` in bytes, `None` where it is not known, and `"gpu"`, see `gpu_facts`.
    """
    memory.start()
    start = time.perf_counter()
    take, queue = make(name)
    take()
    first = time.perf_counter() - start
    if memory.is_known():
        memory.restart_peak()  # of building and compiling
    times = take_turns({name: take}, FLAGS.rounds, progress=False)[name]
    peak = memory.peak() if memory.is_known() else None
    on_torch = keras.backend.backend() == "torch" and memory.on_gpu()
    gpu = gpu_facts(queue) if on_torch else {}
    return {"first": first, "seconds": times, "peak": peak, "gpu": gpu}


def network():
    """Return a network as the flags ask for it."""
    recipe = Recipe(
        backbone=FLAGS.backbone,
        output_stride=FLAGS.output_stride,
        auxiliary_head=FLAGS.auxiliary_head,
        weights="none",
        precision=FLAGS.precision,
    )
    shape = (FLAGS.crop_size, FLAGS.crop_size, 3)
    return recipe.student(FLAGS.num_classes, input_shape=shape)


def make(name):
    """Return a function that takes a step, and one that queues it and does not wait."""
    rng = np.random.default_rng(0)
    size, side = FLAGS.batch_size, FLAGS.crop_size
    count = 3 * size
    images = rng.uniform(0, 255, (count, side, side, 3)).astype("float32")
    labels = rng.integers(0, FLAGS.num_classes, (count, side, side)).astype("int32")
    networks = [network() for _ in range(2)]
    optimizer = keras_imas.optimizers.SGD(1e-4, momentum=0.9, l2=1e-4)
    options = {}
    if FLAGS.jit_compile is not None:
        options["jit_compile"] = FLAGS.jit_compile
    if name == "step":
        model = keras_imas.IMAS(*networks, seed=0)
        model.compile(optimizer, **options)
        labeled, weak, strong = np.split(images, 3)
        batch = {"labeled": labeled, "unlabeled": weak, "unlabeled_strong": strong}
        labels = labels[:size]
    else:
        model = Floor(*networks, size, scoring=name == "floor")
        model.compile(optimizer, keras_imas.losses.Crossentropy(), **options)
        batch = {"images": images, "unlabeled": images[:size]}
    batch = {key: ops.convert_to_tensor(value) for key, value in batch.items()}
    labels = ops.convert_to_tensor(labels)

    def take():
        return float(model.train_on_batch(batch, labels, return_dict=True)["loss"])

    return take, lambda: model.train_step((batch, labels))


def pytorch_step(variant):
    """Return a function that has another process take a step, and the process."""
    numbers = (FLAGS.crop_size, FLAGS.batch_size, FLAGS.num_classes)
    process = subprocess.Popen(
        [
            sys.executable,
            os.path.join(os.path.dirname(__file__), "pytorch_step.py"),
            variant,
            *map(str, numbers),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    parameters = process.stdout.readline().strip()
    if not parameters:
        sys.exit("Error: PyTorch's step could not start; what it says is above.")
    ours = sum(np.prod(v.shape) for v in network().trainable_variables)
    if int(parameters) != ours:
        sys.exit(f"Error: PyTorch's network has {parameters} parameters, ours {ours}.")

    def take():
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()

    return take, process


def measure(name, *arguments):
    """Return what `take_alone` finds in a process of its own.

    Args:
        name: One of `PASSES`.
        *arguments: Flags that override those of this process.

    Returns:
        Its dict; `None` where memory does not suffice.
    """
    process = subprocess.run(
        [*rerun(*sys.argv[1:]), "--nolargest_batch", *arguments, f"--only={name}"],
        capture_output=True,
        text=True,
    )
    if process.returncode == 0:
        return json.loads(process.stdout.splitlines()[-1])
    if any(words in process.stderr.lower() for words in OUT_OF_MEMORY):
        return None
    sys.exit(f"{process.stderr}\nError: the {name} failed, as told above.")


def find_largest_batch():
    """Print the time and memory of steps at doubled, or halved, batch sizes."""
    print("\n| batch | seconds | images/s | memory, GiB |\n|---|---:|---:|---:|")
    size = FLAGS.batch_size
    if print_batch(size):
        while print_batch(2 * size):
            size *= 2
        return
    while size >= 4 and not print_batch(size // 2):
        size //= 2


def print_batch(size):
    """Print a row of a batch size, and return whether it fits."""
    found = measure("step", f"--batch_size={size}", "--rounds=2")
    if found is None:
        print(f"| {size} + {size} | does not fit | | |", flush=True)
        return False
    seconds, peak = min(found["seconds"]), found["peak"]
    gib = "" if peak is None else f"{peak / 2**30:.2f}"
    print(
        f"| {size} + {size} | {seconds:.3f} | {2 * size / seconds:.1f} | {gib} |",
        flush=True,
    )
    return True


def print_table(times, first, peaks):
    images = 2 * FLAGS.batch_size
    print(
        "\n| | seconds, median (quartiles) | images/s | ratio to the floor (95 %) | "
        "first step, s | memory, GiB |\n|---|---:|---:|---:|---:|---:|"
    )
    for name, seconds in times.items():
        speed = images / np.median(seconds)
        relative = ratio(seconds, times["floor"])
        gib = f"{peaks[name] / 2**30:.2f}" if name in peaks else ""
        print(
            f"| {name} | {median_and_quartiles(seconds)} | {speed:.2f} | {relative} | "
            f"{first[name]:.1f} | {gib} |"
        )


def print_share(seconds):
    """Print the multiply-adds of the floor, and their share of the machine's peak."""
    # A training pass costs three forward passes; there are 3 views, and two scores.
    operations = cost.multiply_adds(network()) * FLAGS.batch_size * (3 * 3 + 2)
    side = 8192 if memory.on_gpu() else 2048
    numbers = np.random.default_rng(0).standard_normal((side, side), dtype="float32")
    dtype = keras.mixed_precision.global_policy().compute_dtype
    matrix = ops.cast(ops.convert_to_tensor(numbers), dtype)
    multiply, times = compiled(ops.matmul, matrix, matrix), []
    for _ in range(10):
        start = time.perf_counter()
        multiply()
        times.append(time.perf_counter() - start)
    peak = side**3 / np.median(times)
    print(
        f"\nThe floor's {operations / 1e9:.1f} G multiply-adds in {seconds:.3f} s are "
        f"{operations / seconds / peak:.0%} of what a matrix product of side {side} "
        f"reaches here, {peak / 1e9:,.0f} G a second."
    )
