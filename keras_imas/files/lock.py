"""A lock on a directory, held by one process at a time."""

import contextlib
import datetime
import json
import os
import platform
import sys

import filelock

_LOCK, _HOLDER = FILES = ("lock", "lock.json")


@contextlib.contextmanager
def locked(directory):
    """Hold the lock of a directory.

    The lock is the system's: it goes with the process that holds it, however that ends,
    so no lock is left over. Beside the file `lock`, the file `lock.json` says who holds
    it; both are removed at the end.

    Args:
        directory: The directory, which must exist.

    Yields:
        What a holder that died has left in `lock.json`, or `None`.

    Raises:
        FileExistsError: If another process holds it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory, locked(directory):
        ...     holder(directory)["process"] == os.getpid()
        True
    """
    lock = _lock(directory)
    try:
        lock.acquire(timeout=0.3)  # another may only look whether it is held
    except filelock.Timeout:
        who = _read(directory) or {}
        raise FileExistsError(
            f"The directory {str(directory)!r} is in use by process "
            f"{who.get('process', 'unknown')} on {who.get('host', 'another host')}, "
            f"since {who.get('since', 'an unknown time')}. Wait for it to end, or "
            "choose another directory"
        ) from None
    except PermissionError:
        raise
    except OSError as error:  # such as on a network drive that has no locks
        print(
            f"Warning: {lock.lock_file} can't be locked ({error}): nothing keeps a "
            "second run out of that directory",
            file=sys.stderr,
        )
    me = {
        "process": os.getpid(),
        "host": platform.node(),
        "since": datetime.datetime.now().isoformat(sep=" ", timespec="seconds"),
    }
    try:
        left = _read(directory)
        with open(os.path.join(directory, _HOLDER), "w", encoding="utf-8") as file:
            json.dump(me, file)
        yield left
    finally:
        # Not in a process that was forked off this one.
        if os.getpid() == me["process"]:
            for name in reversed(FILES):
                with contextlib.suppress(OSError):
                    os.remove(os.path.join(directory, name))
            lock.release()


def holder(directory):
    """Tell which process holds the lock of a directory.

    Args:
        directory: The directory.

    Returns:
        Dict of `process`, `host` and `since`; `None` if no living process does.

    Example:
        >>> holder("/nowhere") is None
        True
    """
    lock = _lock(directory)
    if not os.path.isfile(lock.lock_file):  # which a try would make
        return None
    try:
        with lock.acquire(blocking=False):
            return None
    except filelock.Timeout:
        return _read(directory) or {}
    except OSError:
        return None


def _lock(directory):
    # Without the system's locks none at all, as one that outlives its process stays.
    path = os.path.join(directory, _LOCK)
    return filelock.FileLock(path, fallback_to_soft=False)


def _read(directory):
    try:
        with open(os.path.join(directory, _HOLDER), encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
