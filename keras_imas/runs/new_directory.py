"""New directories for what programs write."""

import glob
import os


def claim_directory(path, besides=(), flag="output_dir"):
    """Make a directory; refuse one that already holds something.

    Args:
        path: The directory.
        besides: Names of files that it may hold. Defaults to `()`.
        flag: Name of the flag that chooses it. Defaults to `"output_dir"`.

    Raises:
        FileExistsError: If it exists and is not empty, or is a file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     claim_directory(os.path.join(parent, "run"))
    """
    held = set(os.listdir(path)) - set(besides) if os.path.isdir(path) else ()
    if held or os.path.isfile(path):
        raise FileExistsError(
            f"The output directory {path!r} is not empty, and nothing is overwritten. "
            f"Choose another `--{flag}`, or remove it"
        )
    os.makedirs(path, exist_ok=True)


def numbered(prefix):
    """Find the paths `prefix-N`.

    Args:
        prefix: Beginning of the paths.

    Returns:
        Dict from N to path.

    Example:
        >>> numbered("/nowhere/run")
        {}
    """
    paths = glob.glob(f"{glob.escape(prefix)}-*")
    ends = {path: path[len(prefix) + 1 :] for path in paths}
    return {int(end): path for path, end in ends.items() if end.isdecimal()}


def unused_directory(prefix):
    """Return `prefix-N` with the number after the largest that is there, or 1.

    Args:
        prefix: Beginning of the path.

    Returns:
        The path; nothing is made.

    Example:
        >>> unused_directory("/nowhere/run")
        '/nowhere/run-1'
    """
    # Not one that was removed: the largest is the newest, which is resumed.
    return f"{prefix}-{max(numbered(prefix), default=0) + 1}"
