"""Labels from June, photographs until October: what unlabeled images are good for.

`--help` says more. It is `keras-imas demo`, and written in
`keras_imas.commands.demo`.
"""

from keras_imas_command import load, run

main = load("demo").main

if __name__ == "__main__":
    run("demo")
