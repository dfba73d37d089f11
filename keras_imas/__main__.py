"""`python -m keras_imas`: the command `keras-imas`."""

from keras_imas.command_line import main

if __name__ == "__main__":
    main("python -m keras_imas")
