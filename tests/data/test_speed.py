import time

import numpy as np
import tensorflow as tf

from keras_imas.data.speed import batch_seconds, stage_seconds


def slow(seconds):
    def wait(image):
        time.sleep(seconds)
        return image

    return lambda image, *_: tf.ensure_shape(
        tf.numpy_function(wait, [image], image.dtype), image.shape
    )


def test_batches_after_the_warm_up_are_measured():
    def batches():
        for number in range(6):
            time.sleep(0.3 if number < 2 else 0.01)
            yield number

    assert 0.01 <= batch_seconds(batches(), warm_up=2) < 0.3


def test_no_more_batches_than_the_warm_up_tell_nothing():
    assert batch_seconds([1, 2], warm_up=2) is None


def test_slow_batches_are_few():
    seen = []

    def batches():
        for number in range(100):
            time.sleep(0.02)
            seen.append(number)
            yield number

    assert batch_seconds(batches(), warm_up=0, limit=0.05) >= 0.02
    assert len(seen) <= 4


def test_the_slow_stage_is_found():
    images = np.zeros((3, 20, 30, 3), "uint8")
    stages = stage_seconds(images, crop_size=16, strong=slow(0.05))
    assert max(stages, key=stages.get) == "strong view"
    source = tf.data.Dataset.from_tensor_slices(images).map(slow(0.05))
    stages = stage_seconds(source, crop_size=16, strong=False)
    assert list(stages) == ["read and decode", "weak view"]
    assert stages["read and decode"] > stages["weak view"]
