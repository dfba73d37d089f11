"""Train on CamVid, in the directories of SegNet's tutorial.

`--help` says more. It is `keras-imas train camvid`, and written in
`keras_imas.commands.train_camvid`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_imas.commands.running import load, run  # noqa: E402

main = load("train camvid").main

if __name__ == "__main__":
    run("train camvid")
