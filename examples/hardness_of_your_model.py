"""Rank photographs by how hard they are for a network of your own.

`--help` says more. It is `keras-imas hardness`, and written in
`keras_imas.commands.hardness`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_imas.commands.running import load, run  # noqa: E402

main = load("hardness").main

if __name__ == "__main__":
    run("hardness")
