"""The directory of a run: who may write into it, and whether to go on there."""

import contextlib
import glob
import json
import os

from keras_imas.runs import lock
from keras_imas.training import checkpoint_store

_RUN = "run.json"


@contextlib.contextmanager
def claimed(path, configuration):
    """Hold a directory that is new, or that of an unfinished run like this one.

    Args:
        path: The directory; made if it is absent.
        configuration: Dict, as JSON has it, of what two runs must agree in.

    Yields:
        What `run.json` of the unfinished run says, or `None` where the run is new.

    Raises:
        FileExistsError: If another process writes there, it holds something else, or a
            run that is finished or has another configuration.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     with claimed(os.path.join(parent, "run"), {}) as unfinished:
        ...         print(unfinished)
        None
    """
    configuration = json.loads(json.dumps(configuration))
    # Before the lock, which leaves a file there.
    held = lock.holder(path) is not None
    if not held:
        _unfinished(path, configuration)
    os.makedirs(path, exist_ok=True)
    with lock.locked(path) as left:
        unfinished = _unfinished(path, configuration)
        if left:
            print(
                f"Process {left.get('process')} on {left.get('host')}, which has held "
                f"{path} since {left.get('since')}, is gone: its lock does not count.",
                flush=True,
            )
        yield unfinished


def latest_unfinished(prefix, settings):
    """Find the newest directory of a run, if that is to be gone on with.

    Args:
        prefix: Beginning of the paths `prefix-N`.
        settings: Dict of the settings that the run must have had.

    Returns:
        The path; `None` where the newest run is finished, has other settings, or is
        being run by a living process.

    Example:
        >>> latest_unfinished("/nowhere/run", {}) is None
        True
    """
    numbered = [
        (int(path[len(prefix) + 1 :]), path)
        for path in glob.glob(f"{glob.escape(prefix)}-*")
        if path[len(prefix) + 1 :].isdecimal()
    ]
    if not numbered:
        return None
    path = max(numbered)[1]
    run = read(path)
    if not run or run.get("finished", True) or lock.holder(path) is not None:
        return None
    before = run["configuration"].get("settings")
    return path if before == json.loads(json.dumps(settings)) else None


def read(path):
    """Read what a run says of itself.

    Args:
        path: Its directory.

    Returns:
        Dict of `run.json`; `None` where there is none.

    Example:
        >>> read("/nowhere") is None
        True
    """
    try:
        with open(os.path.join(path, _RUN)) as file:
            run = json.load(file)
    except (OSError, ValueError):
        return None
    return run if isinstance(run, dict) else None


def write(path, run):
    """Write what a run says of itself, so that the file is always a whole one.

    Args:
        path: Its directory.
        run: Dict as JSON has it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     write(directory, {"steps": 5})
        ...     read(directory)
        {'steps': 5}
    """
    filepath = os.path.join(path, _RUN)
    with open(f"{filepath}.part", "w") as file:
        json.dump(run, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{filepath}.part", filepath)


def _unfinished(path, configuration):
    """Return the unfinished run in a directory, `None` if it is empty, or raise."""
    if not os.path.exists(path):
        return None
    # What a process leaves that dies before it has written anything.
    early = {"lock", f"{_RUN}.part"}
    if os.path.isdir(path) and not set(os.listdir(path)) - early:
        return None
    run = read(path)
    if run is None or "configuration" not in run:
        raise FileExistsError(
            f"The output directory {path!r} is not empty, and nothing is overwritten. "
            "Choose another `--output_dir`, or remove it"
        )
    if run.get("finished", True):
        raise FileExistsError(
            f"The output directory {path!r} is not empty: it holds a finished run, and "
            "nothing is overwritten. Choose another `--output_dir`, or remove it"
        )
    different = checkpoint_store.differences(run["configuration"], configuration)
    if different:
        raise FileExistsError(
            f"The output directory {path!r} holds an unfinished run of another "
            f"configuration: {different}. Start it again as it was to go on with it, "
            "or choose another `--output_dir`"
        )
    return run
