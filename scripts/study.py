"""Run a study: a grid of trainings.

`--help` says more. It is `keras-imas study`, and written in
`keras_imas.commands.study`.
"""

from keras_imas_command import load, run

main = load("study").main

if __name__ == "__main__":
    run("study")
