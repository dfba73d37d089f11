"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

import sys
import time

import keras

VERBOSE = ("auto", "0", "1", "2")
"""Values of the programs' --verbose."""


def progress_style(verbose):
    """Return how to show progress.

    Args:
        verbose: `"auto"`: 1 on a terminal or in a notebook, else 2; 0: nothing; 1: a
            bar; 2: plain lines. Also as strings.

    Returns:
        0, 1 or 2.

    Raises:
        ValueError: If it is none of those.

    Example:
        >>> progress_style("2")
        2
    """
    if str(verbose) not in VERBOSE:
        raise ValueError(
            f"`verbose` must be one of {', '.join(VERBOSE)}. Received: {verbose!r}"
        )
    if verbose == "auto":
        return 1 if sys.stdout.isatty() or "ipykernel" in sys.modules else 2
    return int(verbose)


class Progress:
    """Show how much of some work is done.

    Args:
        total: Number of things to do; `None`: not known.
        unit: What they are called in the singular. Defaults to `"image"`.
        title: What the work is called, in plain lines. Defaults to `""`.
        verbose: See `progress_style`. Defaults to `"auto"`.
        every: Seconds from one plain line to the next. Defaults to `10.0`.

    Example:
        >>> progress = Progress(2, "image", "Predicted", verbose=2)
        >>> for _ in range(2):
        ...     progress.add()
        Predicted 2 of 2 images
    """

    def __init__(self, total, unit="image", title="", *, verbose="auto", every=10.0):
        self._total, self._unit, self._title = total, unit, title
        self._every = every
        self._done, self._told = 0, time.monotonic()
        self._style = progress_style(verbose)
        self._bar = None
        if self._style == 1:
            self._bar = keras.utils.Progbar(total, unit_name=unit)

    def add(self, count=1):
        """Count what was done.

        Args:
            count: Number of things. Defaults to `1`.
        """
        self._done += count
        if self._bar:
            self._bar.add(count)
        if self._style != 2:
            return
        now = time.monotonic()
        if self._done == self._total or now - self._told >= self._every:
            self._told = now
            of = "" if self._total is None else f" of {self._total:,}"
            one = (self._total or self._done) == 1
            units = self._unit if one else _plural(self._unit)
            line = f"{self._title} {self._done:,}{of} {units}".strip()
            print(line, flush=True)


def _plural(unit):
    return unit + ("es" if unit.endswith(("s", "ch")) else "s")
