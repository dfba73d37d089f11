"""Draw splits of training images into labeled and unlabeled.

`--help` says more. It is `keras-imas splits`, and written in
`keras_imas.commands.splits`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_imas.commands.running import load, run  # noqa: E402

main = load("splits").main

if __name__ == "__main__":
    run("splits")
