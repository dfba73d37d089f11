"""Three steps of training on some devices, in a process of its own.

    python tests/distributed.py DEVICES RESULT.npz [LOSS] [several]

Ignored labels and padding are unevenly spread over the batch. Writes the logs, the
weights of student and teacher, and the hardness of each image. "several": one of
several processes on JAX, which the variables of `keras.distribution.initialize` make
known to each other. LOSS: crossentropy, ohem, clipped for cross-entropy and a clipped
gradient, or dpt for a DPT and cross-entropy.
"""

import os
import sys

DEVICES, RESULT = int(sys.argv[1]), sys.argv[2]
LOSS = (sys.argv[3:] or ["crossentropy"])[0]
SEVERAL = sys.argv[4:] == ["several"]
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={DEVICES}"

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow.parquet  # noqa: E402

import keras_imas  # noqa: E402
from keras_imas.backends.devices import (  # noqa: E402
    first_process_writes,
    process_part,
    strategy_scope,
)

BATCH_SIZE, STEPS, SIZE = 8, 3, 16


def scope():
    """Return what to build the model in, for all devices."""
    if keras.backend.backend() == "tensorflow" and DEVICES > 1:
        import tensorflow as tf

        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * DEVICES,
        )
        return strategy_scope("mirrored")
    return strategy_scope("multi_worker" if SEVERAL else "auto")


class Repeated(keras_imas.IMAS):
    """With draws that are given."""

    def sample_draws(self, batch_size, height, width):
        """Return the draws, whatever the backend."""
        rng = np.random.default_rng(5)
        corners = rng.integers(0, 8, (batch_size, 2))
        boxes = np.concatenate([corners, corners + 6], axis=1)
        draws = {
            "boxes": boxes.astype("int32"),
            "coin": 0.4 * rng.uniform(size=batch_size // 2).astype("float32"),
            "shuffle": rng.uniform(size=batch_size).astype("float32"),
        }
        return {name: keras.ops.array(draw) for name, draw in draws.items()}


def model():
    keras.utils.set_random_seed(0)
    imas = Repeated(
        transformer() if LOSS == "dpt" else convolutions(),
        confidence_threshold=0.4,
        class_thresholds=True,
        pairing_group_size=2,
    )
    loss = None
    if LOSS == "ohem":
        loss = keras_imas.losses.OHEMCrossentropy(min_kept=100, group_size=2)
    clip = {"global_clipnorm": 0.05} if LOSS == "clipped" else {}
    imas.compile(keras_imas.optimizers.SGD(0.05, momentum=0.9, l2=1e-4, **clip), loss)
    return imas


def transformer():
    encoder = keras_imas.models.vision_transformer(
        width=24, depth=4, heads=2, patch_size=4, grid=3, input_shape=(SIZE, SIZE, 3)
    )
    return keras_imas.models.dpt(3, backbone=encoder)


def convolutions():
    synchronized = {} if keras.backend.backend() == "jax" else {"synchronized": True}
    inputs = keras.Input((SIZE, SIZE, 3))
    features = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    features = keras.layers.Conv2D(8, 3, padding="same")(features)
    features = keras.layers.BatchNormalization(momentum=0.9, **synchronized)(features)
    features = keras.layers.ReLU()(features)
    outputs = [keras.layers.Conv2D(3, 1)(features) for _ in range(2)]
    return keras.Model(inputs, outputs)


def batches():
    import tensorflow as tf

    rng = np.random.default_rng(0)
    shape = (BATCH_SIZE * STEPS, SIZE, SIZE)
    names = ("labeled", "unlabeled", "unlabeled_strong")
    inputs = {
        name: rng.uniform(0, 255, (*shape, 3)).astype("float32") for name in names
    }
    labels = rng.integers(0, 3, shape).astype("int32")
    labels[::4, :13] = 255
    labels[1::8] = 255
    valid = np.ones(shape, "float32")
    for index in range(len(valid)):
        valid[index, :, SIZE - index % 5 :] = 0
    inputs["unlabeled_valid"] = valid
    inputs["unlabeled_index"] = rng.permutation(len(valid)).astype("int32")
    number, parts = process_part()
    dataset = tf.data.Dataset.from_tensor_slices((inputs, labels))
    dataset = dataset.batch(BATCH_SIZE // parts, drop_remainder=True)
    return dataset.shard(parts, number)


if __name__ == "__main__":
    with scope(), first_process_writes(RESULT) as path:
        imas = model()
        table = f"{path}.parquet"
        log = keras_imas.callbacks.HardnessLog(table, BATCH_SIZE * STEPS)
        history = imas.fit(batches(), verbose=0, shuffle=False, callbacks=[log]).history
        weights = {
            f"{network}_{number}": value
            for network in ("student", "teacher")
            for number, value in enumerate(getattr(imas, network).get_weights())
        }
        logs = {f"log_{name}": values[0] for name, values in history.items()}
        if process_part()[0] == 0:
            logs["hardness"] = pyarrow.parquet.read_table(table)["hardness"].to_numpy()
        np.savez(path, **weights, **logs)
