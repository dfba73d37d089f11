"""Check a data set before training: list everything that is wrong with it.

`--help` says more. It is `keras-imas check`, and written in
`keras_imas.commands.check`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_imas.commands.running import load, run  # noqa: E402

main = load("check").main

if __name__ == "__main__":
    run("check")
