"""Train on PASCAL VOC 2012, with the labels of SBD where they are there.

`--help` says more. It is `keras-imas train voc`, and written in
`keras_imas.commands.train_voc`.
"""

from keras_imas_command import load, run

main = load("train voc").main

if __name__ == "__main__":
    run("train voc")
