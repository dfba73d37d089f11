"""Show one run, or several beside each other, on one HTML page.

`--help` says more. It is `keras-imas report`, and written in
`keras_imas.commands.report`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_imas.commands.running import load, run  # noqa: E402

main = load("report").main

if __name__ == "__main__":
    run("report")
