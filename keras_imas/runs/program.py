"""The training programs: their flags, and what they do with them."""

import os
import pathlib
import shlex
import sys
import traceback

from absl import flags

import keras_imas
from keras_imas.backends.determinism import make_deterministic
from keras_imas.backends.devices import STRATEGIES, first_process_writes, strategy_scope
from keras_imas.backends.gpu import set_up_gpu
from keras_imas.command_line.own_command import rerun
from keras_imas.runs import compared_runs, experiment, run_directory
from keras_imas.runs.data_facts import Facts
from keras_imas.runs.flags import define_flags, define_path, define_verbose, given_flags
from keras_imas.runs.new_directory import unused_directory
from keras_imas.runs.plan import comparable
from keras_imas.runs.recipe import Recipe
from keras_imas.runs.shipped_recipes import recipe_names, recipe_table, with_recipes
from keras_imas.runs.suggestions import print_suggestions, suggest, warn_of_rate
from keras_imas.training.health import NonFiniteError
from keras_imas.training.stop_signals import EXIT_STATUS, Interrupted, StopSignals


class Program:
    """A training program: a kind of data set, and the recipe it starts from.

    It is the part of a command that all kinds of data sets share.

    Args:
        name: Name of the data set, as in the name of the output directory.
        source: `keras_imas.runs.sources.Source` class.
        recipe: `Recipe` of the flags' defaults.
        demo: `Recipe` whose numbers are the defaults where `--data_dir` is not given.
            Defaults to `None`: `recipe` always is.
        from_data: Whether settings that are not given may follow from the data.
            Defaults to `False`.
    """

    def __init__(self, name, source, recipe, demo=None, *, from_data=False):
        self.name = name
        self.source = source
        self.recipe = recipe
        self.demo = demo
        self.from_data = from_data

    def define(self):
        """Define its flags."""
        define_flags(self.source)
        define_flags(self.recipe)
        key = {"module_name": sys.argv[0]}
        if recipe_names(self.name):
            flags.DEFINE_string(
                "recipe",
                None,
                "Name of a recipe that comes with the package; list: show them.",
                module_name=__name__,  # its flags take its place
            )
        if self.from_data:
            flags.DEFINE_enum(
                "settings",
                "data",
                ("data", "defaults"),
                "data (default): derive crop size, smallest scale, batch sizes, steps, "
                "warm-up and window from the images, and print why; defaults: take "
                "what this help shows.",
                **key,
            )
        define_path(
            "output_dir",
            None,
            f"New directory; default: runs/{self.name}-METHOD-N. Rerun the command to "
            "resume an unfinished run.",
            **key,
        )
        flags.DEFINE_boolean(
            "new",
            False,
            "Without --output_dir: start a new run even if the last one with the same "
            "flags is unfinished.",
            **key,
        )
        flags.DEFINE_string(
            "checkpoint_every",
            "10min",
            "How often to save a checkpoint: a time, such as 30s, 10min or 2h, or a "
            "number of steps; 0: only at the end, and when SIGTERM or SIGINT (Ctrl-C) "
            f"stops the run, which then exits with status {EXIT_STATUS}.",
            **key,
        )
        flags.DEFINE_integer(
            "keep", 2, "Checkpoints to keep until the run is finished.", **key
        )
        flags.DEFINE_boolean(
            "deterministic",
            False,
            "Make runs with the same flags equal bit by bit; may be slower.",
            **key,
        )
        flags.DEFINE_boolean(
            "tf32",
            True,
            "On GPUs, multiply and convolve float32 in TF32, with a 10-bit "
            "fraction, which is several times as fast.",
            **key,
        )
        flags.DEFINE_enum(
            "strategy",
            "auto",
            STRATEGIES,
            "Devices to train on: all of this machine (mirrored, tpu), all of several "
            "hosts (multi_worker), or one (none). Batch sizes are those of all devices "
            "together.",
            **key,
        )
        flags.DEFINE_boolean(
            "dry_run", False, "Print what a run would do and cost, and stop.", **key
        )
        flags.DEFINE_boolean(
            "compare",
            False,
            "Also train on the labeled images alone, and tell by the validation images "
            "or --folds whether the unlabeled ones helped.",
            **key,
        )
        flags.DEFINE_integer(
            "folds",
            0,
            "Without validation images: train this many times, each time scored on "
            "another part of the labeled images, and finally on all of them.",
            0,
            **key,
        )
        flags.DEFINE_boolean("tensorboard", False, "Write logs for TensorBoard.", **key)
        define_verbose(**key)

    def first_flags(self, *data):
        """Return the flags that matter most, by headings.

        Args:
            *data: Names of those of the data set.

        Returns:
            Dict from heading to names, the `FIRST` of a module of
            `keras_imas.commands`.
        """
        return {
            "Data": data,
            "Training": (
                "method",
                "backbone",
                "weights",
                "crop_size",
                "steps",
                "labeled_batch_size",
                "unlabeled_batch_size",
                "learning_rate",
                "class_weights",
            ),
            "The run": (
                *(("recipe",) if recipe_names(self.name) else ()),
                "output_dir",
                "dry_run",
                "compare",
                "folds",
                "checkpoint_every",
                "tensorboard",
                "seed",
                *(("settings",) if self.from_data else ()),
            ),
        }

    def prepare(self, argv):
        """Replace the recipe that a command line names by its flagfile.

        Args:
            argv: Command line.

        Returns:
            Command line.

        Raises:
            ValueError: If there is no such recipe.
        """
        table = recipe_table(self.name)
        if table and not {"--recipe=list", "-recipe=list"}.isdisjoint(argv):
            print(table)
            sys.exit(0)
        return [argv[0], *with_recipes(argv[1:], self.name)]

    def main(self, argv):
        """Train as the flags say.

        Args:
            argv: Command line, of which absl has taken the flags.
        """
        values = flags.FLAGS
        demo = self.demo is not None and not values.data_dir
        output_dir = None
        try:
            recipe = Recipe.from_flags(self.demo if demo else None)
            set_up_gpu(tf32=values.tf32)
            if values.deterministic:
                make_deterministic()
            settings = {"dataset": self.name, **given_flags()}
            several = values.compare or values.folds
            kind = "compare" if values.compare else "folds"
            prefix = f"{self.name}-{kind if several else recipe.method}"
            prefix = os.path.join("runs", prefix)
            output_dir = values.output_dir or self._directory(prefix, settings)
            if demo:
                print(
                    "No --data_dir: training on the built-in street scenes, drawn now. "
                    "At the default length it finds the large classes, and no others.",
                    flush=True,
                )
            with StopSignals():  # also where no run is there to stop
                self._train(recipe, settings, output_dir)
        except Interrupted:
            print(f"\nStopped. To resume:\n  {_command(output_dir)}", flush=True)
            raise
        except (ValueError, OSError, NonFiniteError) as error:
            if isinstance(error, ValueError) and not _worded_here(error):
                raise
            message = f"Error: {error}"
            run = run_directory.read(output_dir) if output_dir else None
            if run and not run.get("finished", True) and not _about_files(error):
                message += "\nTo resume when the problem is fixed:\n"
                message += f"  {_command(output_dir)}"
            sys.exit(message)

    def _train(self, recipe, settings, output_dir):
        """Read the data, and make the run or the runs."""
        values = flags.FLAGS
        scope = strategy_scope(values.strategy)
        parts = self.source.from_flags().read(recipe.seed)
        with scope, first_process_writes(output_dir) as directory:
            recipe, suggestions = self._settle(recipe, parts)
            options = dict(
                output_dir=directory,
                settings=settings,
                suggestions=suggestions,
                tensorboard=values.tensorboard,
                checkpoint_every=values.checkpoint_every,
                keep=values.keep,
                dry_run=values.dry_run,
                verbose=values.verbose,
            )
            if values.compare or values.folds:
                options |= dict(compare=values.compare, folds=values.folds)
                compared_runs.run(recipe, parts, **options)
            else:
                experiment.run(recipe, **parts, **options)

    def _settle(self, recipe, parts):
        """Derive settings from the data; return the recipe and all suggestions."""
        values = flags.FLAGS
        if not self.from_data or values.settings != "data":
            warn_of_rate(recipe)
            return recipe, []
        given = {name for name in values if values[name].present}
        facts = Facts.of(parts["labeled"], parts["unlabeled"])
        recipe, suggestions = suggest(facts, recipe, given)
        print_suggestions(suggestions)
        warn_of_rate(recipe)
        return recipe, suggestions

    def _directory(self, prefix, settings):
        """Return the default directory: a new one, or that of a run to resume."""
        values = flags.FLAGS
        unfinished = run_directory.latest_unfinished(prefix, comparable(settings))
        if unfinished is None or values.new or values.dry_run:
            return unused_directory(prefix)
        print(
            f"Resuming the unfinished run of these flags in {unfinished}; --new "
            "starts another.",
            flush=True,
        )
        return unfinished


def _about_files(error):
    """Tell whether an error is about a file that is missing or in the way."""
    return isinstance(error, FileExistsError | FileNotFoundError)


def _command(output_dir):
    """Return the shell command that resumes a run."""
    arguments = [a for a in sys.argv[1:] if a.lstrip("-") not in ("new", "new=true")]
    if not flags.FLAGS.output_dir:
        arguments.append(f"--output_dir={output_dir}")
    backend = os.environ.get("KERAS_BACKEND")
    environment = [f"KERAS_BACKEND={shlex.quote(backend)}"] if backend else []
    return " ".join([*environment, shlex.join(rerun(*arguments))])


def _worded_here(error):
    """Tell whether this package raised an error, so that its message is for users."""
    where = traceback.extract_tb(error.__traceback__)[-1].filename
    return pathlib.Path(where).is_relative_to(pathlib.Path(keras_imas.__file__).parent)
