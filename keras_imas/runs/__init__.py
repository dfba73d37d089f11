"""One run, as the programs do it, and what it leaves."""

from keras_imas.runs.read_run import Run, read_run

__all__ = ["Run", "read_run"]
