"""Where in the data an iteration starts."""

import itertools


class Position:
    """Which epoch, and which of its steps, an iteration over batches starts at.

    The pipelines' datasets have one, their attribute `position`. By itself it counts:
    each iteration is the next epoch. `IMAS.fit` holds it at the epoch that it trains,
    however often a backend looks into the data.

    Args:
        settings: Function that returns a dict of what the batches depend on. Defaults
            to `dict`: nothing is known.

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

    def __init__(self, settings=dict):
        self.settings = settings
        self.passed = 0
        self._held = None

    @property
    def epoch(self):
        """The epoch it is held at; else the next one."""
        return self._held[0] if self._held else self.passed

    @property
    def held(self):
        """`(epoch, step)` that it is held at, or None."""
        return self._held

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
