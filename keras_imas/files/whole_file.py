"""Write a file that is always whole."""

import contextlib
import errno
import glob
import os
import secrets

_PREFIX = ".part-"


@contextlib.contextmanager
def whole_file(path, *, durable=True):
    """Replace a file only once its new content is complete.

    The content goes to a temporary file in the same directory. A reader sees the old
    file or the new one, never half of one, even where the process is killed or the disk
    is full.

    Args:
        path: Path of the file; its directory must exist.
        durable: Whether the file must survive a power cut, for which this waits for the
            disk. Defaults to `True`.

    Yields:
        Path of the temporary file to write, with the suffix of `path`.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = pathlib.Path(directory, "numbers.txt")
        ...     with whole_file(path) as part:
        ...         _ = pathlib.Path(part).write_text("1 2 3")
        ...     path.read_text(), os.listdir(directory)
        ('1 2 3', ['numbers.txt'])
    """
    path = os.path.abspath(path)
    directory, name = os.path.split(path)
    # Its name is as long for every file, as file systems limit the length of names.
    suffix = os.path.splitext(name)[1]
    part = os.path.join(directory, f"{_PREFIX}{secrets.token_hex(8)}{suffix}")
    try:
        yield part
        if durable:
            with open(part, "rb+") as file:
                os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(part)
        raise
    if durable:
        synchronize_directory(directory)


def write_whole(path, text):
    """Write a text file that is always whole.

    Args:
        path: Path of the file.
        text: Its content, written in UTF-8. What that can't hold, such as a path of
            other bytes, is escaped.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = os.path.join(directory, "numbers.txt")
        ...     write_whole(path, "1 2 3")
        ...     open(path, encoding="utf-8").read()
        '1 2 3'
    """
    with (
        whole_file(path) as part,
        open(part, "w", encoding="utf-8", errors="backslashreplace") as file,
    ):
        file.write(text)


def check_writable(name, path):
    """Make the folder of a file, and refuse a path that can't be written.

    Args:
        name: The argument's name, for the error.
        path: Path of a file to write later.

    Raises:
        ValueError: If it can't be written: it is a directory, its name is too long, its
            folder can't be made or gives no right to write.

    Example:
        >>> check_writable("filepath", __file__ + "/logs/a.csv")
        Traceback (most recent call last):
        ...
        ValueError: `filepath` can't be written...
    """
    path = os.path.abspath(path)
    directory = os.path.dirname(path)
    try:
        os.makedirs(directory, exist_ok=True)
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        with contextlib.suppress(FileNotFoundError):
            os.stat(path)  # of a name that is too long, it fails
        part = os.path.join(directory, f"{_PREFIX}{secrets.token_hex(8)}")
        with open(part, "wb"):
            pass
        os.remove(part)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return  # there may be room when it is written
        raise ValueError(
            f"`{name}` can't be written: {error.strerror}. Received: {path!r}"
        ) from error


def unfinished_files(directory):
    """List the temporary files that killed processes have left in a directory.

    Args:
        directory: The directory.

    Returns:
        List of paths.

    Example:
        >>> unfinished_files("/nowhere")
        []
    """
    return glob.glob(f"{glob.escape(os.fspath(directory))}/{_PREFIX}*")


def synchronize_directory(directory):
    """Wait until what a directory lists is on the disk, where the system can.

    Args:
        directory: The directory.

    Example:
        >>> synchronize_directory(os.getcwd())
    """
    try:
        handle = os.open(directory, os.O_RDONLY)
    except PermissionError:  # Windows opens no directory
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
