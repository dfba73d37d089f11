"""Train as long as `long_run` watches.

python scripts/tortures/long_training.py DIRECTORY STEPS
"""

import sys

UNLABELED, BATCH = 48, 2
STEPS_PER_EPOCH = UNLABELED // BATCH


def train(output, steps):
    """Train a tiny network on the built-in scenes."""
    import keras

    from keras_imas.data import scenes
    from keras_imas.runs import experiment
    from keras_imas.runs.recipe import Recipe

    layers = keras.layers
    inputs = keras.Input((None, None, 3))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    x = layers.Conv2D(8, 3, strides=2, padding="same")(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    student = keras.Model(inputs, layers.Conv2D(len(scenes.CLASSES), 1)(x))
    pictures, label_maps = scenes.load(UNLABELED + 12, height=48, width=96)
    experiment.run(
        Recipe(
            steps=steps,
            crop_size=33,
            labeled_batch_size=BATCH,
            unlabeled_batch_size=BATCH,
            evaluate_every=10,
        ),
        (pictures[:8], label_maps[:8]),
        pictures[12:],
        (pictures[8:12], label_maps[8:12]),
        class_names=scenes.CLASSES,
        output_dir=output,
        student=student,
        verbose=2,
    )


if __name__ == "__main__":
    train(sys.argv[1], int(sys.argv[2]))
