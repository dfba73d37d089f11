"""Files that were there and are gone."""

import os


class Removed(FileNotFoundError):
    """What a training has written was removed while it trained."""


def check_present(what, path):
    """Raise if a file that was written is gone.

    Args:
        what: What it held, for the error: the beginning of a sentence.
        path: Path of the file.

    Raises:
        Removed: If it is gone.

    Example:
        >>> check_present("The log", "/nowhere/log.csv")
        Traceback (most recent call last):
        ...
        keras_imas.files.removed.Removed: The log was saved as '/nowhere/log.csv'...
    """
    if os.path.exists(path):
        return
    folder = os.path.dirname(os.path.abspath(path))
    gone = "" if os.path.isdir(folder) else f", with its folder {folder!r}"
    raise Removed(
        f"{what} was saved as {os.fspath(path)!r}, and was removed while training{gone}"
    )
