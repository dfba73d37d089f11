"""Evaluate a saved segmentation network.

`--help` says more. It is `keras-imas evaluate`, and written in
`keras_imas.commands.evaluate`.
"""

from keras_imas_command import load, run

main = load("evaluate").main

if __name__ == "__main__":
    run("evaluate")
