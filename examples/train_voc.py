"""Train on PASCAL VOC 2012, with the labels of SBD where they are there.

`--help` says more. It is `keras-imas train voc`, and written in
`keras_imas.commands.train_voc`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_imas.commands.running import load, run  # noqa: E402

main = load("train voc").main

if __name__ == "__main__":
    run("train voc")
