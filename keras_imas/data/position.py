"""Where in the data an iteration starts."""

import itertools


class Position:
    """Which epoch, and which of its steps, an iteration over batches starts at.

    The pipelines' datasets have one, their attribute `position`. By itself it counts:
    each iteration is the next epoch. `IMAS.fit` holds it at the epoch that it trains,
    however often a backend looks into the data.

    Attributes:
        passed: Number of epochs up to the last one it was held at.

    Example:
        >>> position = Position()
        >>> starts = position.starts()
        >>> next(starts), next(starts)
        ((0, 0), (1, 0))
        >>> position.hold(7, step=3)
        >>> next(starts), next(starts)
        ((7, 3), (7, 3))
    """

    def __init__(self):
        self.passed = 0
        self._held = None

    def hold(self, epoch, step=0):
        """Let all iterations from now on start at one place.

        Args:
            epoch: The epoch, from 0.
            step: Steps of it to leave out. Defaults to `0`.
        """
        self._held = (epoch, step)
        self.passed = max(self.passed, epoch + 1)

    def release(self):
        """Let each iteration be the next epoch again."""
        self._held = None

    def starts(self):
        """Tell where each iteration starts.

        Yields:
            `(epoch, step)`.
        """
        for number in itertools.count():
            yield self._held or (number, 0)
