"""What to expect of many devices, on paper: a model, not a measurement.

    keras-imas benchmark scaling --devices=1,8,64,512

The table says what it assumes.
"""

import numpy as np
from absl import flags

from keras_imas.models import BACKBONES, cost, deeplab_v3_plus

FLAGS = flags.FLAGS


def define():
    """Define its flags."""
    flags.DEFINE_enum("backbone", "resnet50_deep_stem", BACKBONES, "Encoder.")
    flags.DEFINE_integer("crop_size", 769, "Side of the crops in pixels.", 1)
    flags.DEFINE_integer("num_classes", 19, "Number of classes.", 2)
    flags.DEFINE_integer("batch_size", 2, "Labeled, and unlabeled, images a device.", 1)
    flags.DEFINE_list("devices", [1, 8, 64, 512], "Numbers of devices.")
    flags.DEFINE_integer("devices_per_host", 8, "Devices of a host.", 1)
    flags.DEFINE_float(
        "multiply_adds",
        1e14,
        "Multiply-adds a second that a device sustains in a step.",
    )
    flags.DEFINE_float("bandwidth_inside", 200e9, "Bytes/s of a device within a host.")
    flags.DEFINE_float("bandwidth_between", 25e9, "Bytes/s of a device between hosts.")
    flags.DEFINE_float("image_seconds", 0.065, "Core-seconds to prepare an image.")


def main(argv):
    network = deeplab_v3_plus(
        FLAGS.num_classes,
        backbone=FLAGS.backbone,
        auxiliary_head=True,
        weights=None,
        input_shape=(FLAGS.crop_size, FLAGS.crop_size, 3),
    )
    # Three views are trained on, at three forward passes each, and two are scored.
    operations = cost.multiply_adds(network) * FLAGS.batch_size * (3 * 3 + 2)
    gradients = 4 * sum(np.prod(v.shape) for v in network.trainable_variables)
    compute = operations / FLAGS.multiply_adds
    print(
        f"{FLAGS.backbone}, {FLAGS.batch_size} + {FLAGS.batch_size} crops of "
        f"{FLAGS.crop_size}² a device: {operations / 1e12:.2f} T multiply-adds, "
        f"{compute:.3f} s at {FLAGS.multiply_adds / 1e12:.0f} T a second; gradients of "
        f"{gradients / 1e6:.0f} MB\n\n"
        "| devices | batch | compute, s | all-reduce, GB a device | s | efficiency | "
        "images/s read | cores to read them |\n|" + 8 * "---:|"
    )
    for count in map(int, FLAGS.devices):
        moved = 2 * (count - 1) / count * gradients
        inside = count <= FLAGS.devices_per_host
        bandwidth = FLAGS.bandwidth_inside if inside else FLAGS.bandwidth_between
        reduce = moved / bandwidth
        images = 2 * FLAGS.batch_size * count / (compute + reduce)
        batch = FLAGS.batch_size * count
        print(
            f"| {count} | {batch} + {batch} | {compute:.3f} | {moved / 1e9:.2f} | "
            f"{reduce:.4f} | {compute / (compute + reduce):.0%} | {images:,.0f} | "
            f"{images * FLAGS.image_seconds:,.0f} |"
        )
