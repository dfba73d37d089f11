"""The directory of a run: claim a new one, or that of a run to resume."""

import contextlib
import os

from keras_imas.files import lock, standard_json
from keras_imas.files.whole_file import unfinished_files, write_whole
from keras_imas.runs.new_directory import claim_directory, numbered
from keras_imas.runs.read_run import read_facts
from keras_imas.training import checkpoint_store


@contextlib.contextmanager
def claimed(path, configuration):
    """Hold a new directory, or that of an unfinished run of the same configuration.

    A directory that it makes is removed if an error comes before anything is written.

    Args:
        path: The directory; made if it is absent.
        configuration: Dict, as JSON has it, of what must be the same to resume.

    Yields:
        `run.json` of the unfinished run, a dict; `None` for a new run.

    Raises:
        FileExistsError: If another process writes there, or the directory holds
            something else, such as a finished run or one of another configuration.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     with claimed(os.path.join(parent, "run"), {}) as unfinished:
        ...         print(unfinished)
        None
    """
    configuration = standard_json.as_read(configuration)
    existed = os.path.isdir(path)
    try:
        with _locked(path, configuration) as unfinished:
            yield unfinished
    except BaseException:
        if not existed:
            with contextlib.suppress(OSError):  # it holds something
                os.rmdir(path)
        raise


@contextlib.contextmanager
def _locked(path, configuration):
    # Refuse before the lock, which leaves files there; but first say who holds it.
    if lock.holder(path) is None:
        _unfinished(path, configuration)
    with lock.locked(path) as left:
        for file in unfinished_files(path):
            os.remove(file)
        unfinished = _unfinished(path, configuration)
        if left:
            print(
                f"Process {left.get('process')} on {left.get('host')}, which has held "
                f"{path} since {left.get('since')}, is gone, so its lock is ignored.",
                flush=True,
            )
        yield unfinished


def latest_unfinished(prefix, settings):
    """Find the newest run, if it is to be resumed.

    Args:
        prefix: Beginning of the paths `prefix-N`.
        settings: Dict of the settings that it must have.

    Returns:
        The path of its directory; `None` if the newest run is finished, has other
        settings, or belongs to a living process.

    Example:
        >>> latest_unfinished("/nowhere/run", {}) is None
        True
    """
    paths = numbered(prefix)
    if not paths:
        return None
    path = paths[max(paths)]
    run = read(path)
    if not run or run.get("finished", True) or lock.holder(path) is not None:
        return None
    configuration = run.get("configuration")
    if not configuration:
        return None
    before = configuration.get("settings")
    return path if before == standard_json.as_read(settings) else None


def read(path):
    """Read what a run says of itself, if it can be read.

    Args:
        path: Its directory.

    Returns:
        Dict of `run.json`; `None` if there is none, or it is damaged.

    Example:
        >>> read("/nowhere") is None
        True
    """
    try:
        return read_facts(path)
    except (OSError, ValueError):
        return None


def write(path, run):
    """Write what a run says of itself.

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
    write_whole(os.path.join(path, "run.json"), standard_json.dumps(run, indent=1))


def _unfinished(path, configuration):
    """Return the unfinished run in a directory, `None` if it is new, or raise."""
    run = read(path)
    if run is None or "configuration" not in run:
        # A process that died before it had written anything leaves but these.
        left = [*lock.FILES, *map(os.path.basename, unfinished_files(path))]
        claim_directory(path, besides=left)
        return None
    if run.get("finished", True):
        raise FileExistsError(
            f"The output directory {path!r} is not empty: it holds a finished run, and "
            "nothing is overwritten. Choose another `--output_dir`, or remove it"
        )
    different = checkpoint_store.differences(run["configuration"], configuration)
    if different:
        raise FileExistsError(
            f"The output directory {path!r} holds an unfinished run of another "
            f"configuration: {different}. Start it again as it was to resume it, "
            "or choose another `--output_dir`"
        )
    return run
