"""Segment photographs with a saved network.

`--help` says more. It is `keras-imas predict`, and written in
`keras_imas.commands.predict`.
"""

from keras_imas_command import load, run

main = load("predict").main

if __name__ == "__main__":
    run("predict")
