"""Print the seconds of what a training does first, as JSON.

A program of its own, as importing is a part of what it times.
"""

import json
import time


def main():
    """Do it, and print the times."""
    times = {}
    begun = time.perf_counter()

    def done(name):
        nonlocal begun
        now = time.perf_counter()
        times[name] = now - begun
        begun = now

    import keras

    done("import keras")
    import keras_imas

    done("import keras_imas")
    from keras_imas.data import landscapes

    landscapes.load(216)
    done("draw the demo's 216 images")
    import numpy as np

    network = keras_imas.models.deeplab_v3_plus(
        11, backbone="mobilenet_v2", weights=None
    )
    model = keras_imas.IMAS(network, seed=0)
    model.compile(keras_imas.optimizers.SGD(0.01, momentum=0.9))
    images = np.zeros((4, 129, 129, 3), "float32")
    batch = {name: images for name in ("labeled", "unlabeled", "unlabeled_strong")}
    labels = np.zeros((4, 129, 129), "int32")
    done("make the network")
    for name in ("first step", "second step"):
        model.train_on_batch(batch, labels)
        # Its logs, such as the loss, are there when it is done.
        keras.ops.convert_to_numpy(model.student.weights[0].value)
        done(name)
    print(json.dumps(times, allow_nan=False))


if __name__ == "__main__":
    main()
