"""Print the processor seconds of a step, for each line read from the standard input.

    python host_time_server.py BACKBONE CROP_SIZE STEPS

A program of its own, so that it measures any checkout: that of `PYTHONPATH`.
"""

import sys
import time

import keras
import numpy as np

import keras_imas


def main():
    """Take the steps of a round for each line."""
    backbone, size, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    network = keras_imas.models.deeplab_v3_plus(
        19, backbone=backbone, weights=None, auxiliary_head=True
    )
    model = keras_imas.IMAS(network, seed=0)
    schedule = keras_imas.optimizers.PolynomialDecay(0.01, 1000)
    model.compile(keras_imas.optimizers.SGD(schedule, momentum=0.9, l2=1e-4))
    rng = np.random.default_rng(0)
    shape = (2, size, size, 3)
    names = ("labeled", "unlabeled", "unlabeled_strong")
    images = [rng.uniform(0, 255, shape).astype("float32") for _ in names]
    batch = {
        name: keras.ops.convert_to_tensor(image)
        for name, image in zip(names, images, strict=True)
    }
    labels = keras.ops.zeros(shape[:3], "int32")
    for _ in range(3):  # compiles
        model.train_on_batch(batch, labels)
    for _ in sys.stdin:
        begun = time.process_time()
        for _ in range(steps):
            model.train_on_batch(batch, labels)
        print((time.process_time() - begun) / steps, flush=True)


if __name__ == "__main__":
    main()
