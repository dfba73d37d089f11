"""What the training programs share: their flags, and what they do with them."""

import os
import pathlib
import sys
import traceback

from absl import app, flags

from keras_imas import experiment
from keras_imas.distribution import (
    STRATEGIES,
    first_process_writes,
    strategy_scope,
)
from keras_imas.flagged import define_flags, given_flags
from keras_imas.recipe import Recipe


class Program:
    """A training program: a kind of data set, and the recipe it starts from.

    Making one defines its flags.

    Args:
        name: Name of the data set, as in the name of the output directory.
        source: `keras_imas.data.sources.Source` class.
        recipe: `Recipe` of the flags' defaults.
        demo: `Recipe` whose numbers are the defaults where `--data_dir` is not given.
            Defaults to `None`: `recipe` always is.
    """

    def __init__(self, name, source, recipe, demo=None):
        self.name = name
        self.source = source
        self.demo = demo
        define_flags(source)
        define_flags(recipe)
        key = {"module_name": sys.argv[0]}
        flags.DEFINE_string(
            "output_dir", None, f"New directory; default: runs/{name}-METHOD-N.", **key
        )
        flags.DEFINE_enum(
            "strategy",
            "auto",
            STRATEGIES,
            "Devices to train on: all of this machine (mirrored, tpu), of several "
            "(multi_worker), or one (none). Batch sizes are those of all devices "
            "together.",
            **key,
        )
        flags.DEFINE_boolean(
            "dry_run", False, "Print what a run would do and cost, and stop.", **key
        )
        flags.DEFINE_boolean(
            "tensorboard", False, "Write what TensorBoard shows.", **key
        )
        flags.DEFINE_integer(
            "verbose", 1, "1: progress bar, 2: a line an epoch, 0: neither.", **key
        )

    def main(self, argv):
        """Train as the flags say.

        Args:
            argv: Command line, of which absl has taken the flags.
        """
        if len(argv) > 1:
            raise app.UsageError(f"Unknown arguments: {' '.join(argv[1:])}")
        values = flags.FLAGS
        demo = self.demo is not None and not values.data_dir
        try:
            recipe = Recipe.from_flags(self.demo if demo else None)
            output_dir = values.output_dir or experiment.unused_directory(
                os.path.join("runs", f"{self.name}-{recipe.method}")
            )
            if demo:
                print(
                    "No --data_dir: training on the built-in street scenes, drawn now. "
                    "At the default length it finds the large classes, and no others.",
                    flush=True,
                )
            scope = strategy_scope(values.strategy)
            parts = self.source.from_flags().read(recipe.seed)
            with scope, first_process_writes(output_dir) as directory:
                experiment.run(
                    recipe,
                    **parts,
                    output_dir=directory,
                    settings={"dataset": self.name, **given_flags()},
                    tensorboard=values.tensorboard,
                    dry_run=values.dry_run,
                    verbose=values.verbose,
                )
        except (ValueError, OSError) as error:
            if isinstance(error, ValueError) and not _worded_here(error):
                raise
            sys.exit(f"Error: {error}")


def _worded_here(error):
    """Tell whether it is this package that raised an error, in words for users."""
    where = traceback.extract_tb(error.__traceback__)[-1].filename
    return pathlib.Path(where).is_relative_to(pathlib.Path(__file__).parent)
