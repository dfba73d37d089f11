"""Downloads of weights that fail in words that say what to do."""

import contextlib


@contextlib.contextmanager
def told_if_unreachable(what):
    """Raise a `ConnectionError` that names a file of weights that can't be downloaded.

    Args:
        what: What they are called, with a capital letter.

    Example:
        >>> with told_if_unreachable("The weights of 'x'"):
        ...     raise Exception("URL fetch failure on https://example.org")
        Traceback (most recent call last):
        ...
        ConnectionError: ...
    """
    try:
        yield
    except Exception as error:  # Keras raises no narrower one
        if "URL fetch failure" not in str(error):
            raise
        raise ConnectionError(
            f"{what} can't be downloaded: {error}. Pass `weights`, the path of a file "
            "of them, or None for random ones"
        ) from error
