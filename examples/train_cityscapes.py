"""Train on Cityscapes, or on the built-in scenes where it is not at hand.

`--help` says more. It is `keras-imas train cityscapes`, and written in
`keras_imas.commands.train_cityscapes`.
"""

from keras_imas_command import load, run

main = load("train cityscapes").main

if __name__ == "__main__":
    run("train cityscapes")
