"""Check a data set before training: list all that is wrong with it.

`--help` says more. It is `keras-imas check`, and written in
`keras_imas.commands.check`.
"""

from keras_imas_command import load, run

main = load("check").main

if __name__ == "__main__":
    run("check")
