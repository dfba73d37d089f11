"""What a training step costs, beside the network passes that it can't do without."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Several processes take turns on one GPU: none may reserve all of its memory.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

import json  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import keras  # noqa: E402
import numpy as np  # noqa: E402
from absl import app, flags  # noqa: E402
from benchmarks import memory  # noqa: E402
from benchmarks.parts import compiled, make_parts  # noqa: E402
from benchmarks.turns import (  # noqa: E402
    machine,
    median_and_quartiles,
    ratio,
    save_json,
    take_turns,
)
from keras import ops  # noqa: E402

import keras_imas  # noqa: E402
from keras_imas.backends.gpu import set_up_gpu  # noqa: E402
from keras_imas.models import BACKBONES, cost, deeplab_v3_plus  # noqa: E402
from keras_imas.models.logits import resize_logits, run_network  # noqa: E402
from keras_imas.runs.recipe import PRECISIONS  # noqa: E402

FLAGS = flags.FLAGS
flags.DEFINE_enum(
    "preset",
    None,
    ["gpu"],
    "gpu: the paper's network, 16 + 16 crops of 769², beside PyTorch's steps, unless "
    "other flags say otherwise.",
)
flags.DEFINE_enum("backbone", "mobilenet_v2", BACKBONES, "Encoder.")
flags.DEFINE_integer("output_stride", 16, "Output stride.")
flags.DEFINE_boolean("auxiliary_head", False, "Give the network an auxiliary head.")
flags.DEFINE_integer("crop_size", 257, "Side of the crops in pixels.", 1)
flags.DEFINE_integer("batch_size", 2, "Labeled images, and as many unlabeled ones.", 2)
flags.DEFINE_integer("num_classes", 19, "Number of classes.", 2)
flags.DEFINE_enum("precision", "float32", PRECISIONS, "Keras' policy.")
flags.DEFINE_boolean("jit_compile", None, "Compile by XLA; default: as Keras chooses.")
flags.DEFINE_integer("rounds", 7, "Rounds, in each of which all take turns.", 1)
flags.DEFINE_boolean("parts", True, "Measure the method's own parts, each alone.")
flags.DEFINE_boolean("memory", True, "Measure peak memory, each in its own process.")
PASSES = ("step", "floor", "training pass")
flags.DEFINE_enum("only", None, PASSES, "Take two steps of one, and stop.")
flags.DEFINE_boolean(
    "largest_batch", False, "Double the batch for as long as a step fits, and stop."
)
PYTORCH = ("float32", "channels_last", "bfloat16", "as_published")
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


GPU = {
    "backbone": "resnet50_deep_stem",
    "auxiliary_head": True,
    "crop_size": 769,
    "batch_size": 16,
    "rounds": 20,
    "pytorch": ["float32", "channels_last", "bfloat16", "as_published"],
}


class Floor(keras.Model):
    """The passes of a step: a supervised one over all views, and two that score.

    Args:
        student: The network.
        teacher: Another like it.
        scoring: Whether to run the two inference passes.
    """

    def __init__(self, student, teacher, scoring):
        super().__init__()
        self.student, self.teacher, self.scoring = student, teacher, scoring
        self.teacher.trainable = False
        self.built = True

    def call(self, inputs, training=None):
        """Run all passes.

        Args:
            inputs: Dict of `"images"`, all views, and `"unlabeled"`, those to score.
            training: As in Keras.

        Returns:
            Dict of the logits to train on and the scores.
        """
        images = inputs["images"]
        labeled = images[: FLAGS.batch_size]
        main, *others = run_network(self.student, images, training=training)
        logits = [resize_logits(main, images)]
        for output in others:
            logits.append(resize_logits(output[: FLAGS.batch_size], labeled))
        scores = ()
        if self.scoring:
            scores = [
                run_network(network, inputs["unlabeled"])[0]
                for network in (self.student, self.teacher)
            ]
        return {"logits": logits, "scores": [ops.stop_gradient(s) for s in scores]}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **_):
        """Return the supervised loss.

        Args:
            x: Not used.
            y: Label maps of all views.
            y_pred: What `call` returned.
            sample_weight: Not used.

        Returns:
            Scalar tensor.
        """
        main, *others = y_pred["logits"]
        loss = super().compute_loss(x, y, main)
        for logits in others:
            loss = loss + 0.4 * self._compile_loss(y[: FLAGS.batch_size], logits)
        for scores in y_pred["scores"]:  # so that no compiler leaves them out
            loss = loss + 1e-30 * ops.cast(ops.sum(scores), "float32")
        return loss


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Too many arguments: {' '.join(argv[1:])}")
    if FLAGS.preset == "gpu":
        for name, value in GPU.items():
            FLAGS.set_default(name, value)
    paper = FLAGS.backbone == "resnet50_deep_stem" and FLAGS.auxiliary_head
    if FLAGS.pytorch and not (paper and FLAGS.output_stride == 16):
        raise app.UsageError(
            "--pytorch needs --backbone=resnet50_deep_stem --auxiliary_head "
            "--output_stride=16: PyTorch's step has that network."
        )
    keras.config.set_dtype_policy(FLAGS.precision)
    set_up_gpu()
    if FLAGS.only:
        memory.start()
        take = make(FLAGS.only)
        take()
        memory.restart_peak()  # of building and compiling
        times = []
        for _ in range(2):
            start = time.perf_counter()
            take()
            times.append(time.perf_counter() - start)
        print(
            json.dumps({"peak": memory.peak(), "seconds": min(times)}, allow_nan=False)
        )
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
    takers, first = {}, {}
    for name in PASSES:
        start = time.perf_counter()
        takers[name] = make(name)
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
        takers[name] = pytorch_step(variant)
        takers[name]()
        first[name] = time.perf_counter() - start
        takers[name]()
    times = take_turns(takers, FLAGS.rounds)
    peaks = {}
    if FLAGS.memory and memory.is_known():
        peaks = {name: measure(name)["peak"] for name in PASSES}
    print_table(times, first, peaks)
    print_share(np.median(times["floor"]))
    save_json(
        FLAGS.json,
        __name__,
        seconds=times,
        first_step_seconds=first,
        memory_bytes=peaks,
    )


def network():
    """Return a network as the flags ask for it."""
    return deeplab_v3_plus(
        FLAGS.num_classes,
        backbone=FLAGS.backbone,
        output_stride=FLAGS.output_stride,
        auxiliary_head=FLAGS.auxiliary_head,
        weights=None,
        input_shape=(FLAGS.crop_size, FLAGS.crop_size, 3),
    )


def make(name):
    """Return a function that takes a step."""
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
        model = Floor(*networks, scoring=name == "floor")
        model.compile(optimizer, keras_imas.losses.Crossentropy(), **options)
        batch = {"images": images, "unlabeled": images[:size]}
    batch = {key: ops.convert_to_tensor(value) for key, value in batch.items()}
    labels = ops.convert_to_tensor(labels)
    return lambda: float(model.train_on_batch(batch, labels, return_dict=True)["loss"])


def pytorch_step(variant):
    """Return a function that has another process take a step."""
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

    return take


def measure(name, *arguments):
    """Return the least time of two steps in a process of their own, and its memory.

    Those after the first, which compiles.

    Args:
        name: One of `PASSES`.
        *arguments: Flags that override those of this process.

    Returns:
        Dict of `"peak"`, bytes, and `"seconds"`; `None` where the process failed.
    """
    process = subprocess.run(
        [sys.executable, *sys.argv, *arguments, f"--only={name}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    if process.returncode:
        return None
    return json.loads(process.stdout.splitlines()[-1])


def find_largest_batch():
    """Print the time and memory of steps, the batch twice as large each time."""
    print("\n| batch | seconds | images/s | memory, GiB |\n|---|---:|---:|---:|")
    size = FLAGS.batch_size
    while found := measure("step", f"--batch_size={size}", "--nolargest_batch"):
        print(
            f"| {size} + {size} | {found['seconds']:.3f} | "
            f"{2 * size / found['seconds']:.1f} | {found['peak'] / 2**30:.2f} |",
            flush=True,
        )
        size *= 2
    print(f"\n{size} + {size} does not fit: the error is above.")


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
    matrix = ops.ones((side, side), keras.mixed_precision.global_policy().compute_dtype)
    multiply, times = compiled(ops.matmul, matrix, matrix), []
    for _ in range(10):
        start = time.perf_counter()
        multiply()
        times.append(time.perf_counter() - start)
    peak = side**3 / min(times)
    print(
        f"\nThe floor's {operations / 1e9:.1f} G multiply-adds in {seconds:.3f} s are "
        f"{operations / seconds / peak:.0%} of what a matrix product of side {side} "
        f"reaches here, {peak / 1e9:,.0f} G a second."
    )
