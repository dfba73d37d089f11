"""What the networks cost: parameters, multiply-adds, and the time of a step.

    keras-imas benchmark networks --crop_size=129 --num_classes=19

For each encoder, the parameters of its DeepLabV3+, the multiply-adds of an image of
513 x 513 pixels, and the time of a training step of iMAS on 2 labeled and 2 unlabeled
crops: as a ratio to the first encoder, and in seconds of all cores together, which
other jobs on the machine disturb less than the clock's.
"""

import gc
import os
import platform
import time

import keras
import numpy as np
from absl import flags

from keras_imas.models import BACKBONES, cost
from keras_imas.runs.recipe import Recipe

FLAGS = flags.FLAGS


def define():
    """Define its flags."""
    flags.DEFINE_list(
        "backbones", ["mobilenet_v2", *BACKBONES], "Encoders; ratios are to the first."
    )
    flags.DEFINE_integer("output_stride", 16, "Output stride.")
    flags.DEFINE_integer("crop_size", 129, "Side of the crops of a step in pixels.")
    flags.DEFINE_integer("num_classes", 19, "Number of classes.")
    flags.DEFINE_integer("repeats", 3, "Steps to measure; the fastest counts.")


def main(argv):
    print(
        f"{keras.backend.backend()} backend, Keras {keras.__version__}, "
        f"{os.cpu_count()} cores ({platform.machine()}), output stride "
        f"{FLAGS.output_stride}, crops of {FLAGS.crop_size}, "
        f"{FLAGS.num_classes} classes"
    )
    print("| encoder | parameters | multiply-adds, 513² | step, ratio | core-seconds |")
    print("|---|---:|---:|---:|---:|")
    first = None
    for name in dict.fromkeys(FLAGS.backbones):
        parameters, operations, seconds = measure(name)
        first = first or seconds
        print(
            f"| {name} | {parameters / 1e6:.2f} M | {operations / 1e9:.1f} G | "
            f"{seconds / first:.2f} | {seconds:.2f} |",
            flush=True,
        )
        keras.utils.clear_session()
        gc.collect()


def measure(name):
    recipe = Recipe(backbone=name, weights="none", output_stride=FLAGS.output_stride)
    at_513 = recipe.student(FLAGS.num_classes, input_shape=(513, 513, 3))
    operations = cost.multiply_adds(at_513)
    student = recipe.student(FLAGS.num_classes)
    model = recipe.model(student, steps_per_epoch=100, epochs=1)
    images = np.random.default_rng(0).uniform(
        0, 255, (2, FLAGS.crop_size, FLAGS.crop_size, 3)
    )
    images = images.astype("float32")
    batch = {"labeled": images, "unlabeled": images, "unlabeled_strong": 255 - images}
    labels = np.zeros(images.shape[:3], "int32")
    model.train_on_batch(batch, labels)
    times = []
    for _ in range(FLAGS.repeats):
        start = time.process_time()
        model.train_on_batch(batch, labels)
        times.append(time.process_time() - start)
    parameters = sum(np.prod(v.shape) for v in student.trainable_variables)
    return parameters, operations, min(times)
