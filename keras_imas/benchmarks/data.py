"""How fast the input pipelines are, beside a plain loader written with Pillow.

    keras-imas benchmark data --presets=cityscapes,voc --json=data.json

For images of the size of Cityscapes and of VOC, the images a second and core of the
pipelines, labeled and unlabeled (weak and strong view), beside a plain loader of the
same steps, and the share of each stage. The two take turns, on the same cores.
"""

import collections
import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
import pathlib
import platform
import tempfile
import time

import keras
import numpy as np
from absl import app, flags
from PIL import Image

from keras_imas import data
from keras_imas.augment.strong import OPERATIONS, StrongView
from keras_imas.augment.weak import weak_view
from keras_imas.benchmarks import pillow_loader
from keras_imas.imagenet import MEAN_COLOR

FLAGS = flags.FLAGS
BATCH_SIZE = 4
PIPELINES = {"tf.data": "", "device": ", device"}  # what its contestants end in


@dataclasses.dataclass(frozen=True)
class Preset:
    """Size and format of images. The sizes of the made files are those of real ones.

    Attributes:
        height: of the images in pixels.
        width: of the images in pixels.
        crop_size: pixels of the square crops.
        suffix: of the files.
        drawn: the image is drawn with this share of the pixels a side, and enlarged.
        noise: standard deviation that is added, in grey levels.
        images: read in a round.
    """

    height: int
    width: int
    crop_size: int
    suffix: str
    drawn: float
    noise: float
    images: int


PRESETS = {
    "cityscapes": Preset(1024, 2048, 769, ".png", drawn=0.5, noise=0.0, images=64),
    "voc": Preset(375, 500, 513, ".jpg", drawn=1.0, noise=8.0, images=960),
}


def define():
    """Define its flags."""
    flags.DEFINE_list(
        "presets", ["cityscapes", "voc"], "Sizes and formats of the images."
    )
    flags.DEFINE_integer("rounds", 5, "Rounds, in each of which all take turns.", 1)
    flags.DEFINE_integer(
        "images", 0, "Images that each reads in a round; 0: as the preset says.", 0
    )
    flags.DEFINE_integer("files", 8, "Different images that are made for it.", 1)
    flags.DEFINE_integer("cores", 0, "Processor cores to run on; 0: all there are.", 0)
    flags.DEFINE_integer(
        "reduce", 1, "Divide sizes of images and crops by this, to try the program.", 1
    )
    flags.DEFINE_string(
        "images_dir",
        None,
        "Read these images instead, at least 4; the preset says the crops.",
    )
    flags.DEFINE_string("masks_dir", None, "Their masks, PNG of the same names.")
    flags.DEFINE_string("json", None, "File to write all numbers to.")


def main(argv):
    unknown = set(FLAGS.presets) - set(PRESETS)
    if unknown:
        raise app.UsageError(
            f"--presets must be of {', '.join(PRESETS)}. Received: {', '.join(unknown)}"
        )
    if bool(FLAGS.images_dir) != bool(FLAGS.masks_dir):
        raise app.UsageError("--images_dir and --masks_dir go together.")
    if not hasattr(os, "sched_setaffinity"):
        raise app.UsageError("This system can't keep programs to some cores.")
    available = sorted(os.sched_getaffinity(0))
    cores = available[: FLAGS.cores or None]
    # Before TensorFlow starts its threads; the processes of Pillow inherit it.
    os.sched_setaffinity(0, cores)
    print(
        f"{len(cores)} of {os.cpu_count()} cores ({platform.machine()}), "
        f"{FLAGS.rounds} rounds: medians, and in brackets the quartiles of the rounds' "
        "ratios"
    )
    spawn = multiprocessing.get_context("spawn")
    results = {}
    with concurrent.futures.ProcessPoolExecutor(len(cores), spawn) as pool:
        for name in FLAGS.presets:
            with tempfile.TemporaryDirectory() as folder:
                results[name] = measure(name, pathlib.Path(folder), pool)
    print_pipelines(results)
    print_speeds(results, len(cores))
    print_stages(results)
    if FLAGS.json:
        given = {
            flag.name: flag.value for flag in FLAGS.get_key_flags_for_module(__name__)
        }
        text = json.dumps(
            {"flags": given, "seconds": results}, indent=1, allow_nan=False
        )
        pathlib.Path(FLAGS.json).write_text(text + "\n")


def measure(name, folder, pool):
    """Return each contestant's rounds, pairs of times as `timed` returns them."""
    preset = PRESETS[name]
    crop_size = max(preset.crop_size // FLAGS.reduce, 1)
    count = max(FLAGS.images or preset.images, BATCH_SIZE)
    if FLAGS.images_dir:
        images, masks = FLAGS.images_dir, FLAGS.masks_dir
    else:
        images, masks = make_files(preset, folder, count)
    names = data.from_folder(images, masks).names[:count]
    labeled = data.from_folder(images, masks, names)
    unlabeled = data.from_folder(images, names=names)
    count = len(names) - len(names) % BATCH_SIZE
    print(
        f"{name}: {count} times {describe(labeled.files[0])}, crops of {crop_size}",
        flush=True,
    )

    masks = [os.path.join(masks, f"{image}.png") for image in names]
    files = list(zip(labeled.files, masks, strict=True))[:count]
    options = pillow_loader.Options(
        crop_size=crop_size,
        scale_range=(0.5, 2.0),
        padding_color=tuple(round(value) for value in MEAN_COLOR),
        ignore_class=255,
        operations=OPERATIONS,
    )
    # `semi_supervised` needs a labeled image; this one costs next to nothing.
    blank = np.zeros((1, 8, 8, 3), "uint8"), np.zeros((1, 8, 8), "int32")
    sizes = {"labeled_batch_size": 1, "unlabeled_batch_size": BATCH_SIZE}
    own = {}
    for name, suffix in PIPELINES.items():
        made_by = {"crop_size": crop_size, "pipeline": name}
        batches = data.supervised(labeled, batch_size=BATCH_SIZE, **made_by)
        own[f"labeled{suffix}"] = pipeline(batches)
        batches = data.semi_supervised(blank, unlabeled, **sizes, **made_by)
        own[f"unlabeled{suffix}"] = pipeline(batches)
    contestants = {
        **own,
        "labeled, Pillow": pillow(pool, pillow_loader.load_labeled, files, options),
        "unlabeled, Pillow": pillow(pool, pillow_loader.load_unlabeled, files, options),
        **stages(labeled, unlabeled, crop_size, count),
    }
    results = {contestant: [] for contestant in contestants}
    for number in range(-1, FLAGS.rounds):
        order = list(contestants.items())
        # Neither is always first: the machine's speed may drift.
        for contestant, prepare in order if number % 2 else order[::-1]:
            times = timed(prepare(number), count)
            if number >= 0:  # the first round is for tracing and caches
                results[contestant].append(times)
    return results


def timed(run, count):
    """Return seconds an image, of the clock and of all cores together."""
    start, used = time.perf_counter(), time.process_time()
    elsewhere = run()
    return [
        (time.perf_counter() - start) / count,
        (time.process_time() - used + elsewhere) / count,
    ]


def pipeline(dataset):
    """Return a contestant that reads all of a dataset once."""

    def prepare(number):
        # An epoch starts with a third of a second to make the iterator, not timed.
        batches = iter(dataset)

        def run():
            last = collections.deque(batches, maxlen=1)
            for tensor in keras.tree.flatten(list(last)):  # which may be on its way yet
                keras.ops.convert_to_numpy(tensor)
            return 0.0

        return run

    return prepare


def pillow(pool, load, files, options):
    """Return a contestant that loads all batches once, in several processes.

    As in PyTorch's loader, a process makes whole batches. Here they stay there, so that
    the way to the training process is for free.
    """

    def prepare(number):
        order = np.random.default_rng(number + 1).permutation(len(files))
        batches = order.reshape(-1, BATCH_SIZE).tolist()

        def run():
            tasks = [
                pool.submit(
                    load, [files[i] for i in batch], (number + 1, *batch), options
                )
                for batch in batches
            ]
            return sum(task.result() for task in tasks)

        return run

    return prepare


def stages(labeled, unlabeled, crop_size, count):
    """Return contestants that do the first stages of the pipelines alone."""
    import tensorflow as tf

    strong = StrongView()
    options = {"crop_size": (crop_size, crop_size)}

    def read(index):
        return labeled.read(index)

    def read_image(index):
        return unlabeled.read(index, labels=False)

    def weak(index):
        example = read(index)
        image, label_map = example["image"], example["label_map"]
        return weak_view(image, label_map, seed=[0, index], **options)[:2]

    def weak_image(index):
        image = read_image(index)["image"]
        image, _, valid = weak_view(image, seed=[0, index], **options)
        return image, valid

    def weak_and_strong(index):
        image, valid = weak_image(index)
        return image, valid, strong(image, [1, index])

    return {
        f"{pipeline_name}, {stage}": pipeline(
            tf.data.Dataset.range(count).map(function, tf.data.AUTOTUNE)
        )
        for pipeline_name, stage, function in (
            ("labeled", "read", read),
            ("labeled", "weak", weak),
            ("unlabeled", "read", read_image),
            ("unlabeled", "weak", weak_image),
            ("unlabeled", "strong", weak_and_strong),
        )
    }


def make_files(preset, folder, count):
    """Draw scenes and save them; links make them `count` files."""
    height, width = preset.height // FLAGS.reduce, preset.width // FLAGS.reduce
    names = [f"{number:05d}" for number in range(count)]
    images, masks = folder / "images", folder / "masks"
    images.mkdir()
    masks.mkdir()
    for number, name in enumerate(names):
        image_file, mask_file = images / f"{name}{preset.suffix}", masks / f"{name}.png"
        if number >= FLAGS.files:
            original = names[number % FLAGS.files]
            os.link(images / f"{original}{preset.suffix}", image_file)
            os.link(masks / f"{original}.png", mask_file)
            continue
        image, label_map = data.scenes.draw(
            number, round(height * preset.drawn), round(width * preset.drawn)
        )
        size = (width, height)
        image = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
        noise = np.random.default_rng(number).normal(0, preset.noise, (height, width))
        image = np.clip(np.asarray(image) + np.round(noise)[..., None], 0, 255)
        Image.fromarray(image.astype("uint8")).save(image_file, quality=90)
        label_map = Image.fromarray(label_map)
        label_map.resize(size, Image.Resampling.NEAREST).save(mask_file)
    return str(images), str(masks)


def describe(file):
    with Image.open(file) as image:
        width, height = image.size
        size = os.path.getsize(file)
        return f"{image.format} of {height}×{width} pixels, {size / 1e6:.2f} MB"


def print_pipelines(results):
    backend = keras.backend.backend()
    print(f"\n| images/s, {backend} | tf.data | device | ratio |")
    print("|---|---:|---:|---:|")
    for preset, rounds in results.items():
        for name in ("labeled", "unlabeled"):
            both = [np.array(rounds[f"{name}{s}"]) for s in PIPELINES.values()]
            speeds = [f"{1 / np.median(times[:, 0]):.1f}" for times in both]
            ratio = quartiles(both[0] / both[1], 0)
            print(f"| {preset}, {name} | {' | '.join(speeds)} | {ratio} |")


def print_speeds(results, cores):
    print("\n| | images/s a core | Pillow | ratio | ms of all cores | Pillow | ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for preset, rounds in results.items():
        for name in ("labeled", "unlabeled"):
            ours, theirs = np.array(rounds[name]), np.array(rounds[f"{name}, Pillow"])
            (wall, core), (pillow_wall, pillow_core) = (
                np.median(times, axis=0) for times in (ours, theirs)
            )
            print(
                f"| {preset}, {name} | {1 / wall / cores:.1f} | "
                f"{1 / pillow_wall / cores:.1f} | {quartiles(theirs / ours, 0)} | "
                f"{1e3 * core:.1f} | {1e3 * pillow_core:.1f} | "
                f"{quartiles(theirs / ours, 1)} |"
            )


def quartiles(ratios, column):
    low, median, high = np.quantile(ratios[:, column], (0.25, 0.5, 0.75))
    return f"{median:.2f} ({low:.2f}-{high:.2f})"


def print_stages(results):
    print("\n| | read and decode | weak view | strong view | batch and rest |")
    print("|---|---:|---:|---:|---:|")
    for preset, rounds in results.items():
        core = {name: np.median(times, axis=0)[1] for name, times in rounds.items()}
        for name in ("labeled", "unlabeled"):
            ends = [core.get(f"{name}, {s}") for s in ("read", "weak", "strong")]
            # A stage's time is what it adds, which noise can make negative.
            ends = [0.0, *ends[: 3 if name == "unlabeled" else 2], core[name]]
            shares = np.maximum(np.diff(ends), 0.0)
            cells = [
                f"{100 * time / shares.sum():.0f} % ({1e3 * time:.1f} ms)"
                for time in shares
            ]
            if name == "labeled":
                cells.insert(2, "")
            print(f"| {preset}, {name} | {' | '.join(cells)} |")
