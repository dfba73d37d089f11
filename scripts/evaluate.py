"""Evaluate a saved segmentation network.

`--help` says more. It is `keras-imas evaluate`, and written in
`keras_imas.commands.evaluate`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_imas.commands.running import load, run  # noqa: E402

main = load("evaluate").main

if __name__ == "__main__":
    run("evaluate")
