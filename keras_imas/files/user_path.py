"""Paths as people write them."""

import os


def user_path(path):
    """Return a path with `~` and variables replaced, as a shell does it.

    Shells leave `--output=~/masks` as it is, and nobody replaces anything in a flagfile
    or in Python.

    Args:
        path: A string or `os.PathLike`.

    Returns:
        A string.

    Raises:
        ValueError: If it begins with the home folder of an unknown user.

    Example:
        >>> user_path("~/masks") == os.path.join(os.path.expanduser("~"), "masks")
        True
        >>> user_path("runs/1")
        'runs/1'
    """
    path = os.fspath(path)
    expanded = os.path.expanduser(os.path.expandvars(path))
    if expanded.startswith("~"):
        raise ValueError(
            f"The path {path!r} begins with the home folder of a user who is not "
            f"known. For a folder of that name write './{expanded}'"
        )
    return expanded
