"""Train on CamVid, in the directories of SegNet's tutorial.

`--help` says more. It is `keras-imas train camvid`, and written in
`keras_imas.commands.train_camvid`.
"""

from keras_imas_command import load, run

main = load("train camvid").main

if __name__ == "__main__":
    run("train camvid")
