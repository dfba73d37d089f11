"""Segment photographs with a saved network.

`--help` says more. It is `keras-imas predict`, and written in
`keras_imas.commands.predict`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_imas.commands.running import load, run  # noqa: E402

main = load("predict").main

if __name__ == "__main__":
    run("predict")
