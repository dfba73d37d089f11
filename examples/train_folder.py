"""Train on your own photographs: a few with masks, many without.

`--help` says more. It is `keras-imas train folder`, and written in
`keras_imas.commands.train_folder`.
"""

from keras_imas_command import load, run

main = load("train folder").main

if __name__ == "__main__":
    run("train folder")
