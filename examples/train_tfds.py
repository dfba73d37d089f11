"""Train on a set of TensorFlow Datasets.

`--help` says more. It is `keras-imas train tfds`, and written in
`keras_imas.commands.train_tfds`.
"""

from keras_imas_command import load, run

main = load("train tfds").main

if __name__ == "__main__":
    run("train tfds")
