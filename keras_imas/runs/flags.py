"""Dataclasses whose fields are flags of the programs."""

import dataclasses
import math
import sys

from absl import app, flags

from keras_imas.files.user_path import user_path
from keras_imas.progress import VERBOSE


class _PathParser(flags.ArgumentParser):
    """Take paths as a shell does, which replaces nothing after `--flag=`."""

    syntactic_help = "a path"

    def parse(self, argument):
        return user_path(argument) if argument else argument


def define_path(name, default, help, **options):
    """Define a flag that is a path; `~` and variables in it are replaced.

    Args:
        name: Name of the flag.
        default: Its default.
        help: Its text in `--help`.
        **options: See `absl.flags.DEFINE`.
    """
    options = {"flag_values": flags.FLAGS, "module_name": sys.argv[0], **options}
    serializer = flags.ArgumentSerializer()
    flags.DEFINE(_PathParser(), name, default, help, serializer=serializer, **options)


def define_verbose(**options):
    """Define `--verbose`.

    Args:
        **options: See `absl.flags.DEFINE_enum`.
    """
    options = {"module_name": sys.argv[0], **options}
    flags.DEFINE_enum(
        "verbose",
        "auto",
        VERBOSE,
        "Progress as a bar (1), as plain lines (2), or none (0); auto: a bar on a "
        "terminal, else lines.",
        **options,
    )


def field(default, help, *, of=int, least=None, path=False, choices=None):
    """Make a field of a `Flagged` dataclass.

    Args:
        default: Its default.
        help: Its text in the programs' `--help`.
        of: Type of the elements of a tuple. Defaults to `int`.
        least: Smallest value, 0 or 1; see `check_fields`. Defaults to `None`: any.
        path: Whether it is a path. Defaults to `False`.
        choices: The values that it may have; see `check_fields`. Defaults to `None`:
            any.

    Returns:
        `dataclasses.Field`.
    """
    metadata = {"help": help, "of": of, "least": least, "path": path}
    metadata["choices"] = choices
    return dataclasses.field(default=default, metadata=metadata)


def check_fields(numbers):
    """Refuse fields of a dataclass that are not among their choices or out of range.

    Args:
        numbers: Dataclass whose fields are made by `field`.

    Raises:
        ValueError: If there is one.
    """
    for field in dataclasses.fields(numbers):
        value, least = getattr(numbers, field.name), field.metadata["least"]
        choices = field.metadata["choices"]
        if choices is not None and value not in choices:
            raise ValueError(
                f"`{field.name}` must be one of {', '.join(choices)}. Received: "
                f"{value!r}"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"`{field.name}` must be finite. Received: {value}")
        if least is not None and value < least:
            rule = "must be positive" if least else "must not be negative"
            raise ValueError(f"`{field.name}` {rule}. Received: {value}")


def define_flags(defaults, only=None):
    """Define an absl flag for each field of a `Flagged` dataclass.

    They are the key flags of the running program: those that `--help` shows.

    Args:
        defaults: Object, or class, whose fields are the flags' defaults.
        only: Names of the fields to define. Defaults to `None`: all.
    """
    define = {
        str: flags.DEFINE_string,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        bool: flags.DEFINE_boolean,
        tuple: lambda name, default, help, **options: flags.DEFINE_list(
            name, [str(element) for element in default], help, **options
        ),
    }
    for field in dataclasses.fields(defaults):
        if only is not None and field.name not in only:
            continue
        (define_path if field.metadata["path"] else define[field.type])(
            field.name,
            getattr(defaults, field.name),
            field.metadata["help"],
            module_name=sys.argv[0],
        )


class Flagged:
    """Base of dataclasses whose fields are flags: strings, numbers, tuples of them."""

    @classmethod
    def from_flags(cls, defaults=None):
        """Return the object that the flags of `define_flags` describe.

        Args:
            defaults: Object whose fields count where a flag was not given. Defaults to
                `None`: those of `define_flags`.

        Returns:
            An object of this class.

        Raises:
            ValueError: If an element of a list must be a number and is not.
        """

        def value(field):
            flag = flags.FLAGS[field.name]
            if defaults is not None and not flag.present:
                return getattr(defaults, field.name)
            return as_field(field, flag.value)

        return cls(**{field.name: value(field) for field in dataclasses.fields(cls)})


def as_field(field, value):
    """Return the value of a flag, or of its copy in `run.json`, as a field has it.

    Args:
        field: `dataclasses.Field` of a `Flagged` dataclass.
        value: The value.

    Returns:
        The value, where the field is a tuple one of elements of its type.

    Raises:
        ValueError: If an element must be a number and is not.
    """
    if field.type is not tuple:
        return value
    kind = field.metadata["of"]
    return tuple(_element(field.name, kind, element) for element in value or ())


_KINDS = {int: "whole numbers, such as 1,2,4", float: "numbers, such as 0.1,0.9"}


def flag_text(value):
    """Return a value as a flag has it.

    Args:
        value: The value.

    Returns:
        String.

    Example:
        >>> flag_text((180, 240))
        '180,240'
    """
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _element(name, kind, text):
    try:
        return kind(text)
    except ValueError:
        raise ValueError(
            f"`{name}` must be {_KINDS[kind]}. Received: {text!r}"
        ) from None


def parse_flags(argv):
    """Parse a command line, as `absl.app.run` does, and report damaged flagfiles.

    Args:
        argv: The command line.

    Returns:
        What is left of it. If it can't be parsed, the program ends with a message
        that names the flagfiles.
    """
    named = " ".join(argument for argument in argv if "flagfile" in argument)
    if not named:
        return app.parse_flags_with_usage(argv)
    try:
        return flags.FLAGS(argv)
    except (flags.Error, OSError, ValueError) as error:
        sys.exit(f"Error: the flags of {named} can't be read: {error}")


def given_flags():
    """Return the programs' flags, including those of a flagfile and defaults.

    Returns:
        Dict from name to value, without the flags of absl and of other packages.
    """
    own = flags.FLAGS.flags_by_module_dict().get(sys.argv[0], ())
    return {flag.name: flag.value for flag in sorted(own, key=lambda f: f.name)}
