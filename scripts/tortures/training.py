"""Train a small network for seconds, in a process to torture.

    python scripts/tortures/training.py OUTPUT_DIR [--devices=2] [--every=1] ...

Two networks' worth of state is in it: momentum, batch statistics, dropout, CutMix'
draws, an evaluation each epoch, and float16's loss scale on demand.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("output_dir")
parser.add_argument("--devices", type=int, default=1)
parser.add_argument("--every", default="3", help="As --checkpoint_every.")
parser.add_argument("--epochs", type=int, default=4)
parser.add_argument("--precision", default="float32")
parser.add_argument("--accumulation_steps", type=int, default=1)
parser.add_argument("--method", default="imas")
parser.add_argument("--seed", type=int, default=0)
OPTIONS = parser.parse_args()
if OPTIONS.devices > 1:
    os.environ["XLA_FLAGS"] = (
        f"--xla_force_host_platform_device_count={OPTIONS.devices}"
    )

import keras  # noqa: E402
import numpy as np  # noqa: E402

from keras_imas.backends.determinism import make_deterministic  # noqa: E402
from keras_imas.backends.devices import strategy_scope  # noqa: E402
from keras_imas.runs import experiment  # noqa: E402
from keras_imas.runs.recipe import Recipe  # noqa: E402

RECIPE = Recipe(
    method=OPTIONS.method,
    epochs=OPTIONS.epochs,
    crop_size=17,
    labeled_batch_size=2,
    unlabeled_batch_size=4,
    learning_rate=0.05,
    warmup_steps=2,
    confidence_threshold=0.4,
    ema_decay=0.9,
    precision=OPTIONS.precision,
    accumulation_steps=OPTIONS.accumulation_steps,
    pairing_group_size=2,
    seed=OPTIONS.seed,
)


def network():
    with RECIPE._dtype_policy():
        return keras.Sequential(
            [
                keras.Input((None, None, 3)),
                keras.layers.Rescaling(1 / 127.5, -1),
                keras.layers.Conv2D(8, 3, padding="same"),
                keras.layers.BatchNormalization(momentum=0.9),
                keras.layers.ReLU(),
                keras.layers.Dropout(0.2),
                keras.layers.Conv2D(3, 1),
            ]
        )


def scope():
    if keras.backend.backend() == "tensorflow" and OPTIONS.devices > 1:
        import tensorflow as tf

        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * OPTIONS.devices,
        )
        return strategy_scope("mirrored")
    return strategy_scope("auto")


def main():
    make_deterministic()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (48, 20, 24, 3)).astype("uint8")
    labels = (images.mean(axis=-1) // 86).astype("uint8")
    with scope():
        # The run draws by its own seed, but the network is made before.
        keras.utils.set_random_seed(OPTIONS.seed)
        experiment.run(
            RECIPE,
            (images[:5], labels[:5]),
            images[5:45],
            (images[45:], labels[45:]),
            class_names=["dark", "grey", "bright"],
            output_dir=OPTIONS.output_dir,
            student=network(),
            checkpoint_every=OPTIONS.every,
            verbose=0,
        )


if __name__ == "__main__":
    main()
