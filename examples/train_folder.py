"""Train on your own photographs: a few with masks, many without.

`--help` says more. It is `keras-imas train folder`, and written in
`keras_imas.commands.train_folder`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_imas.commands.running import load, run  # noqa: E402

main = load("train folder").main

if __name__ == "__main__":
    run("train folder")
