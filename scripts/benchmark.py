"""Measure what the package costs on this machine.

It is `keras-imas benchmark`, and written in `keras_imas.benchmarks`.
"""

import sys

from keras_imas.command_line import main

if __name__ == "__main__":
    sys.argv.insert(1, "benchmark")
    main("keras-imas")
