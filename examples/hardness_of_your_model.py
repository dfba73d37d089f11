"""Rank photographs by how hard they are for a network of your own.

`--help` says more. It is `keras-imas hardness`, and written in
`keras_imas.commands.hardness`.
"""

from keras_imas_command import load, run

main = load("hardness").main

if __name__ == "__main__":
    run("hardness")
