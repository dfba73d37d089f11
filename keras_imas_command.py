"""The entry point of the command `keras-imas`.

It stands beside the package, so that asking for help imports neither Keras nor a
backend.
"""

import importlib.util
import pathlib


def main():
    """Run what was typed, as `keras_imas.command_line` knows it."""
    package = pathlib.Path(importlib.util.find_spec("keras_imas").origin).parent
    found = importlib.util.spec_from_file_location(
        "keras_imas_command_line", package / "command_line" / "__init__.py"
    )
    command_line = importlib.util.module_from_spec(found)
    found.loader.exec_module(command_line)
    command_line.main()
