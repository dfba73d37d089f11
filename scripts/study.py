"""Run a study: a grid of trainings.

`--help` says more. It is `keras-imas study`, and written in
`keras_imas.commands.study`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_imas.commands.running import load, run  # noqa: E402

main = load("study").main

if __name__ == "__main__":
    run("study")
