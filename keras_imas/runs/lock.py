"""A lock on a directory, held by one process at a time."""

import contextlib
import datetime
import itertools
import json
import os
import platform
import sys
import time

_NAME = "lock"


@contextlib.contextmanager
def locked(directory):
    """Hold the lock of a directory.

    The lock is the system's (`flock`): it goes with the process that holds it, however
    that ends, so that no lock is left over. The file `lock` in the directory says who
    holds it; it is removed at the end.

    Args:
        directory: The directory, which must exist.

    Yields:
        What a holder that died has left in the file, or `None`.

    Raises:
        FileExistsError: If another process holds it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory, locked(directory):
        ...     holder(directory)["process"] == os.getpid()
        True
    """
    path = os.path.join(directory, _NAME)
    file = _acquired(path, directory)
    left = _content(file)
    me = {
        "process": os.getpid(),
        "host": platform.node(),
        "since": datetime.datetime.now().isoformat(sep=" ", timespec="seconds"),
    }
    file.truncate(0)
    file.write(json.dumps(me))
    file.flush()
    try:
        yield left
    finally:
        # Not in a process that was forked off this one.
        if os.getpid() == me["process"]:
            with contextlib.suppress(OSError):
                os.remove(path)
        file.close()


def holder(directory):
    """Tell which process holds the lock of a directory.

    Args:
        directory: The directory.

    Returns:
        Dict of `process`, `host` and `since`; `None` where no living process does.

    Example:
        >>> holder("/nowhere") is None
        True
    """
    try:
        with open(os.path.join(directory, _NAME), "r+") as file:
            return None if _try_lock(file) else _content(file) or {}
    except OSError:
        return None


def _acquired(path, directory):
    for attempt in itertools.count():
        file = open(path, "a+")
        if not _try_lock(file):
            if attempt < 3:  # another may only look whether it is held
                file.close()
                time.sleep(0.1)
                continue
            who = _content(file) or {}
            file.close()
            raise FileExistsError(
                f"The directory {directory!r} is in use by process "
                f"{who.get('process', 'unknown')} on {who.get('host', 'another host')}"
                f", since {who.get('since', 'an unknown time')}. Wait for it to end, "
                "or choose another `--output_dir`"
            )
        # The one that held it may have removed the file that was opened.
        if os.path.exists(path) and os.path.samestat(
            os.stat(path), os.fstat(file.fileno())
        ):
            return file
        file.close()


def _try_lock(file):
    try:
        import fcntl
    except ImportError:  # on Windows, where two runs are not kept apart
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        print(
            f"Warning: {file.name} can't be locked ({error}): nothing keeps a second "
            "run out of that directory",
            file=sys.stderr,
        )
    return True


def _content(file):
    file.seek(0)
    try:
        content = json.loads(file.read())
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
