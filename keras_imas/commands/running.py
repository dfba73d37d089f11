"""Run a command: define its flags, read them or show help, and call it."""

import importlib
import logging
import re
import sys

from absl import app, flags

from keras_imas.backends.freed_memory import keep_freed_memory
from keras_imas.command_line import COMMANDS
from keras_imas.command_line.own_command import as_started, entry_and_words
from keras_imas.commands.help_screen import help_screen
from keras_imas.near_miss import near_miss
from keras_imas.runs.flags import parse_flags

_REQUIRED = r"flag --\w+=None: Flag --(\w+) must have a value other than None\."
_KEEP_MEMORY = (
    "Keep freed memory for the next step instead of giving it back to the kernel. For "
    "glibc; MALLOC_* of the environment come first."
)
_HELP = {"-h", "-?", "-help", "--help", "--helpshort"}


def load(words):
    """Import a command, and define its flags as those of the program that runs.

    Args:
        words: Words of the command, such as `"train folder"`.

    Returns:
        Its module.
    """
    module = importlib.import_module(f"keras_imas.{COMMANDS[words].module}")
    before = set(flags.FLAGS)
    if "keep_memory" not in before:
        flags.DEFINE_boolean("keep_memory", True, _KEEP_MEMORY)
    module.define()
    for name in set(flags.FLAGS) - before:  # so that `--help` shows them
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])
    return module


def run(words):
    """Run a command that `load` has loaded.

    A program of the checkout shows help as absl does; `keras-imas` has its own.

    Args:
        words: Words of the command.
    """
    module = importlib.import_module(f"keras_imas.{COMMANDS[words].module}")
    # JAX reports at each start that there is no TPU.
    logging.getLogger("jax._src.xla_bridge").setLevel(logging.WARNING)
    if hasattr(sys.stdout, "reconfigure"):  # a path may be no UTF-8
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.modules["__main__"].__doc__ = as_started(module.__doc__)
    typed = entry_and_words() is not None

    def parse(argv):
        if typed:
            _show_help(module, argv)
        try:
            argv = getattr(module, "prepare", lambda argv: argv)(argv)
        except (app.UsageError, ValueError) as error:
            sys.exit(f"Error: {error}")
        return _parse(argv) if typed else parse_flags(argv)

    def main(argv):
        try:
            if argv[1:] and not getattr(module, "TAKES_ARGUMENTS", False):
                raise app.UsageError(f"Unknown arguments: {' '.join(argv[1:])}")
            if flags.FLAGS.keep_memory:
                keep_freed_memory()
            return module.main(argv)
        except app.UsageError as error:
            if not typed:
                raise
            sys.exit(f"Error: {error}{_all_flags()}")

    app.run(main, flags_parser=parse)


def _show_help(module, argv):
    """Print help and exit, where it is asked for."""
    full = "--helpfull" in argv or "-helpfull" in argv
    if full or not _HELP.isdisjoint(argv):
        first = getattr(module, "FIRST", {})
        print(help_screen(as_started(module.__doc__), first, full=full))
        sys.exit(0)


def _parse(argv):
    """Read the flags; where they can't be read, end with a message."""
    try:
        return flags.FLAGS(argv)
    except flags.UnrecognizedFlagError as error:
        name = error.flagname.split("=")[0]
        meant = near_miss(name, flags.FLAGS)
        message = f"there is no flag --{name}"
        message += f"; did you mean --{meant}?" if meant else ""
    except (flags.Error, OSError, ValueError) as error:
        message = re.sub(_REQUIRED, r"--\1 is needed", str(error))
        message = re.sub(r"^flags (\w+=[^:]*): ", "", message, flags=re.M)
    named = [argument for argument in argv if "flagfile" in argument]
    if named:
        message += f" (typed, or in {' '.join(named)})"
    sys.exit(f"Error: {message}{_all_flags()}")


def _all_flags():
    return f"\n{sys.argv[0]} --help lists the flags."
