"""Stopping when asked to, by SIGTERM or SIGINT, with everything saved."""

import contextlib
import os
import signal
import threading

EXIT_STATUS = 75  # EX_TEMPFAIL of sysexits.h: what failed may be tried again


class Interrupted(SystemExit):
    """A run was asked to stop, and has; started again it resumes.

    Not caught, it ends the program with status 75.

    Example:
        >>> Interrupted().code
        75
    """

    def __init__(self):
        super().__init__(EXIT_STATUS)


class StopSignals:
    """Within it the first SIGTERM or SIGINT asks to stop, the second stops at once.

    Where a step of training or the like is being done, `deferred()` lets it finish;
    elsewhere the signal raises `Interrupted`. Outside of the main thread, which alone
    gets signals, it does nothing.

    Attributes:
        requested: Whether a signal has come.

    Example:
        >>> with StopSignals() as signals:
        ...     signals.requested
        False
    """

    def __init__(self):
        self.requested = False
        self._deferred = False
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def defer(self, deferred):
        """Say whether what is being done now must be finished.

        Args:
            deferred: Whether it must.
        """
        self._deferred = deferred

    @contextlib.contextmanager
    def finishing(self):
        """Finish what is done within, and heed signals afterwards.

        Yields:
            Nothing.
        """
        before, self._deferred = self._deferred, True
        try:
            yield
        finally:
            self._deferred = before
        if self.requested and not before:
            raise Interrupted()

    def _receive(self, number, frame):
        if self.requested:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self.requested = True
        name = signal.Signals(number).name
        # Not `print`, which may be what was interrupted.
        os.write(
            2,
            f"\n{name}: stopping as soon as everything is saved. Again, to stop "
            "at once and lose what was done since the last checkpoint.\n".encode(),
        )
        if not self._deferred:
            raise Interrupted()
