"""New directories for what programs write."""

import os


def claim_directory(path, besides=()):
    """Make a directory; refuse one that already holds something.

    Args:
        path: The directory.
        besides: Names of files that it may hold. Defaults to `()`.

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
            "Choose another `--output_dir`, or remove it"
        )
    os.makedirs(path, exist_ok=True)


def unused_directory(prefix):
    """Return `prefix-1`, or the first `prefix-N` that does not exist yet.

    Args:
        prefix: Beginning of the path.

    Returns:
        The path; nothing is made.

    Example:
        >>> unused_directory("/nowhere/run")
        '/nowhere/run-1'
    """
    number = 1
    while os.path.exists(f"{prefix}-{number}"):
        number += 1
    return f"{prefix}-{number}"
