"""Errors of programs that are for users: one line, and no traceback."""

import functools
import sys


def in_one_line(main):
    """Let a program end with its error's message alone, and status 1.

    Args:
        main: Function of a program, as `absl.app.run` takes it.

    Returns:
        Such a function.

    Example:
        >>> @in_one_line
        ... def main(argv):
        ...     raise ValueError("`images` holds no images")
        >>> main([])
        Traceback (most recent call last):
        SystemExit: Error: `images` holds no images
    """

    @functools.wraps(main)
    def wrapped(argv):
        try:
            return main(argv)
        except (ValueError, OSError, ImportError) as error:
            message = str(error)
        except Exception as error:
            # What is wrong with a file that is read in a pipeline.
            if not type(error).__module__.startswith("tensorflow"):
                raise
            message = getattr(error, "message", str(error))
        sys.exit(f"Error: {message}")

    return wrapped
