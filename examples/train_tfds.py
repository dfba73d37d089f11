"""Train on a set of TensorFlow Datasets.

`--help` says more. It is `keras-imas train tfds`, and written in
`keras_imas.commands.train_tfds`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_imas.commands.running import load, run  # noqa: E402

main = load("train tfds").main

if __name__ == "__main__":
    run("train tfds")
