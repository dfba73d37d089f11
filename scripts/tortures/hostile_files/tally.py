"""Count what came of hostile inputs, and limit the time of each."""

import collections
import signal
import traceback
from contextlib import contextmanager

from tortures.torture import Row

_SECONDS = 20  # for one input; more is a hang


class Tally:
    """Count inputs that were read, refused by name, or worse."""

    def __init__(self):
        self.counts = collections.Counter()
        self.worst = None

    def attempt(self, name, function, *arguments):
        """Call a function and count what it does with an input.

        Args:
            name: What an error must name, or one of a tuple of names.
            function: What reads the input.
            *arguments: Its arguments.

        Returns:
            What the function returns, or None.
        """
        names = name if isinstance(name, tuple) else (name,)
        try:
            with _time_limit():
                result = function(*arguments)
        except _TooLong:
            self.counts["hung"] += 1
            self.worst = self.worst or f"{name}: hung"
        except (ValueError, OSError, SystemExit) as error:
            if any(str(name) in str(error) for name in names):
                self.counts["refused"] += 1
            else:
                self._crash(name, error)
        except Exception as error:
            self._crash(name, error)
        else:
            self.counts["read"] += 1
            return result
        return None

    def _crash(self, name, error):
        self.counts["crashed"] += 1
        if self.worst is None:
            trace = traceback.extract_tb(error.__traceback__)[-1]
            self.worst = f"{name}: {error!r} at {trace.filename}:{trace.lineno}"

    def row(self, fault, grown):
        """Return the row of the table; `grown` is by how many KiB memory peaked."""
        bad = self.counts["crashed"] + self.counts["hung"] + self.counts["accepted"]
        counted = (
            f"{self.counts['read']:,} read, {self.counts['refused']:,} refused by "
            f"name, {self.counts['crashed']} crashes, {self.counts['hung']} hangs; "
            f"peak memory +{grown / 1024:.0f} MiB"
        )
        lost = f"{counted}; {self.worst}" if bad else f"nothing: {counted}"
        return Row(fault, self.counts.total(), lost, not bad)


class _TooLong(BaseException):
    pass


@contextmanager
def _time_limit():
    def stop(number, frame):
        raise _TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
