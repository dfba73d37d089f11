"""The command that started this process, and others, as a person types them."""

import os
import re
import shutil
import sys

from keras_imas.command_line import COMMANDS

_ENTRIES = ("keras-imas", "python -m keras_imas")
_WORDS = "|".join(map(re.escape, sorted(COMMANDS, key=len, reverse=True)))
_PROGRAMS = {os.path.basename(c.program) for c in COMMANDS.values() if c.program}


def entry_and_words():
    """Tell how this process was started as a command `keras-imas`.

    Returns:
        What was typed before the words of the command, and these, such as
        `("keras-imas", "train folder")`; or `None` if a program was started.

    Example:
        >>> entry_and_words()
    """
    for entry in _ENTRIES:
        words = sys.argv[0].removeprefix(f"{entry} ")
        if words != sys.argv[0] and words in COMMANDS:
            return entry, words
    return None


def command_line():
    """Return the command line of this process, for the record.

    Returns:
        List of strings: `sys.argv` of a program, else `["keras-imas", ...]`.
    """
    started = entry_and_words()
    if started is None:
        return list(sys.argv)
    return [*" ".join(started).split(), *sys.argv[1:]]


def rerun(*arguments):
    """Return the command line that starts what runs here again.

    Args:
        *arguments: Arguments after the words of the command, or the name of the
            program.

    Returns:
        List of strings, for a shell and for `subprocess`.
    """
    started = entry_and_words()
    if started is None:
        return [sys.executable, sys.argv[0], *arguments]
    entry, words = started
    found = shutil.which(entry)
    if found and _folder(os.path.realpath(found)) == _folder(sys.executable):
        command = [entry]
    else:  # another Python's, or none
        command = [sys.executable, "-m", "keras_imas"]
    return [*command, *words.split(), *arguments]


def as_started(text):
    """Write the commands in a text in the way that this process was started.

    Args:
        text: String that names commands, such as `"keras-imas report"`.

    Returns:
        The text; where a program was started, it names programs instead.

    Example:
        >>> as_started("keras-imas report runs/1")
        'keras-imas report runs/1'
    """
    started = entry_and_words()
    if started is not None:
        return re.sub(rf"keras-imas (?={_WORDS})", f"{started[0]} ", text)
    if os.path.basename(sys.argv[0]) not in _PROGRAMS:
        return text
    return re.sub(
        rf"keras-imas ({_WORDS})",
        lambda found: (
            f"python {COMMANDS[found[1]].program}"
            if COMMANDS[found[1]].program
            else found[0]
        ),
        text,
    )


def _folder(path):
    return os.path.dirname(os.path.abspath(path))
