"""Export a saved network to other formats.

`--help` says more. It is `keras-imas export`, and written in
`keras_imas.commands.export`.
"""

from keras_imas_command import load, run

main = load("export").main

if __name__ == "__main__":
    run("export")
