"""Processes of a training, killed at any moment and started again."""

from tortures.torture import Row


def run(torture):
    """Yields nothing yet but that a row can be made."""
    yield Row("nothing", torture.times(1), "nothing", True)
