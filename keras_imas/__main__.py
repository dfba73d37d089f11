"""`python -m keras_imas`: the command `keras-imas`."""

from keras_imas_command import main

if __name__ == "__main__":
    main("python -m keras_imas")
