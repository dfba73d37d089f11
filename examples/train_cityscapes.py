"""Train on Cityscapes, or on the built-in scenes where it is not at hand.

`--help` says more. It is `keras-imas train cityscapes`, and written in
`keras_imas.commands.train_cityscapes`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_imas.commands.running import load, run  # noqa: E402

main = load("train cityscapes").main

if __name__ == "__main__":
    run("train cityscapes")
