"""Export a saved network to other formats.

`--help` says more. It is `keras-imas export`, and written in
`keras_imas.commands.export`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_imas.commands.running import load, run  # noqa: E402

main = load("export").main

if __name__ == "__main__":
    run("export")
