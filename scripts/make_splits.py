"""Draw splits of training images into labeled and unlabeled.

`--help` says more. It is `keras-imas splits`, and written in
`keras_imas.commands.splits`.
"""

from keras_imas_command import load, run

main = load("splits").main

if __name__ == "__main__":
    run("splits")
