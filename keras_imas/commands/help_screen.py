"""What `keras-imas COMMAND --help` prints."""

import re
import sys
import textwrap

from absl import flags

_WIDTH = 88
_COLUMN = 26


def help_screen(document, first, *, full=False):
    """Return the help of a command.

    Args:
        document: What it says about itself, before its flags.
        first: Dict from a heading to the names of its flags, those that matter most.
        full: Whether to list all flags, with all that is said of each, rather than
            those of `first`, with a sentence. Defaults to `False`. Where
            `first` is empty, all are listed.

    Returns:
        String of several lines.
    """
    own = {f.name: f for f in flags.FLAGS.get_key_flags_for_module(sys.argv[0])}
    named = [name for names in first.values() for name in names]
    others = sorted(set(own) - set(named))
    if not first:
        first, others = {"Flags": others}, []
    groups = {**first, "Other flags": others} if full else first
    lines = [document.strip()]
    for heading, names in groups.items():
        if names:
            lines += ["", heading]
            lines += [
                _entry(flags.FLAGS[name], full) for name in names if name in flags.FLAGS
            ]
    if not full:
        more = f"; {len(others)} more: {sys.argv[0]} --helpfull" if others else ""
        lines += ["", f"--flagfile=FILE reads flags from a file{more}"]
    return "\n".join(lines)


def _entry(flag, full):
    """Return the lines of a flag."""
    text = re.sub(r"^<.*?>: ", "", " ".join((flag.help or "").split()))
    default = ""
    if flag.default not in (None, "", False, []) and "default" not in text.lower():
        shown = flag.default_as_str.strip("'")
        if isinstance(flag.default, float):
            shown = f"{flag.default:.4g}"
        default = f" (default: {shown})"
        text = text.rstrip(".")
    if not full:
        text = re.split(r"(?<=[^.]\.) ", text)[0]
        room = 2 * (_WIDTH - _COLUMN) - len(default) - 8  # two lines
        text = textwrap.shorten(text, room, placeholder=" ...")
    name = f"  {_form(flag)}"
    first = name.ljust(_COLUMN) if len(name) < _COLUMN else f"{name}  "
    return textwrap.fill(
        text + default,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=" " * _COLUMN,
    )


def _form(flag):
    """Return how a flag is written, such as `--steps=N`."""
    if flag.boolean:
        return f"--[no]{flag.name}" if flag.default else f"--{flag.name}"
    choices = getattr(flag.parser, "enum_values", None)
    if choices and len("|".join(choices)) <= 24:
        return f"--{flag.name}={'|'.join(choices)}"
    if flag.parser.syntactic_help == "a path":
        return f"--{flag.name}=PATH"
    kinds = {"int": "N", "float": "X", "comma separated list of strings": "A,B"}
    return f"--{flag.name}={kinds.get(flag.flag_type(), 'TEXT')}"
