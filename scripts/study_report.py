"""Show what a study found.

`--help` says more. It is `keras-imas study-report`, and written in
`keras_imas.commands.study_report`.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_imas.commands.running import load, run  # noqa: E402

main = load("study-report").main

if __name__ == "__main__":
    run("study-report")
