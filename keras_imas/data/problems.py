"""Problems of a data set: raised, or collected where all of them are wanted."""

import contextlib
import contextvars
import dataclasses
import warnings
from collections.abc import Iterator

_MAX_SHOWN = 10
_collected: contextvars.ContextVar[list | None] = contextvars.ContextVar(
    "collected", default=None
)


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something that is wrong with a data set.

    Attributes:
        message: what it is, with the file and the value.
        severity: "error", or "warning" for what may be meant so.
    """

    message: str
    severity: str = "error"


@contextlib.contextmanager
def collected() -> Iterator[list]:
    """Collect what is wrong with files and lists instead of raising it.

    What a problem concerns is then left out of the examples.

    Yields:
        List of `Problem`, which grows.

    Example:
        >>> with collected() as problems:
        ...     report(ValueError, "List 'a.txt'", ["b.png has no mask"])
        >>> problems[0].message
        "List 'a.txt': b.png has no mask"
    """
    problems = []
    token = _collected.set(problems)
    try:
        yield problems
    finally:
        _collected.reset(token)


@contextlib.contextmanager
def go_on():
    """Collect an error that is raised inside, where problems are collected.

    Elsewhere it is raised.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        problems = _collected.get()
        if problems is None:
            raise
        problems.append(Problem(str(error)))


def report(error, where, messages, severity="error"):
    """Raise problems as one error; or collect them.

    Args:
        error: class of the error to raise.
        where: what the problems are in.
        messages: list of strings. Nothing happens if it is empty.
        severity: of the problems, where they are collected. Defaults to "error".
    """
    problems = _collected.get()
    if problems is not None:
        problems += [Problem(f"{where}: {message}", severity) for message in messages]
    elif messages:
        raise error(f"{where}:\n  " + "\n  ".join(_shown(messages)))


def notice(where, what, names):
    """Tell what is not heeded: as a Python warning, or as one of a check.

    Args:
        where: what has it.
        what: what it is, for a message such as "3 masks without an image: a.png, ...".
        names: list of strings. Nothing happens if it is empty.
    """
    if not names:
        return
    message = f"{where}: {len(names)} {what}: {', '.join(_shown(names))}"
    problems = _collected.get()
    if problems is not None:
        problems.append(Problem(message, "warning"))
    else:
        warnings.warn(message, stacklevel=3)


def _shown(messages):
    more = len(messages) - _MAX_SHOWN
    return [*messages[:_MAX_SHOWN], f"and {more} more"] if more > 0 else messages
