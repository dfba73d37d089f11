"""Labels from June, photographs until October: what unlabeled images can add.

`--help` says more. It is `keras-imas demo`, and written in
`keras_imas.commands.demo`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_imas.commands.running import load, run  # noqa: E402

main = load("demo").main

if __name__ == "__main__":
    run("demo")
