"""The callbacks of a run."""

import dataclasses
import os

from keras_imas import data
from keras_imas.augment.strong_views import labeled_view, strong_view
from keras_imas.backends.devices import process_part
from keras_imas.callbacks import (
    Checkpoint,
    Evaluation,
    HardnessLog,
    InputSpeed,
    TensorBoard,
)
from keras_imas.runs import pictures
from keras_imas.runs.epoch_lines import EpochLines
from keras_imas.runs.history import History
from keras_imas.runs.prediction_options import prediction_options, reading_of


@dataclasses.dataclass(frozen=True)
class Watchers:
    """The callbacks of a run, in the order in which `fit` calls them.

    Attributes:
        speed: `keras_imas.callbacks.InputSpeed`.
        hardness_log: `keras_imas.callbacks.HardnessLog`; `None` if there is no
            hardness.
        evaluation: `keras_imas.callbacks.Evaluation`; `None` if there are no validation
            images.
        tensorboard: `keras_imas.callbacks.TensorBoard`; `None` if it is not wanted.
        history: `keras_imas.runs.history.History`.
        lines: `keras_imas.runs.epoch_lines.EpochLines`.
        checkpoint: `keras_imas.callbacks.Checkpoint`; `None` if several processes train
            together.
    """

    speed: InputSpeed
    hardness_log: HardnessLog | None
    evaluation: Evaluation | None
    tensorboard: TensorBoard | None
    history: History
    lines: EpochLines
    checkpoint: Checkpoint | None

    @classmethod
    def of(
        cls,
        plan,
        output_dir,
        *,
        start,
        signals,
        checkpoint_every,
        keep,
        tensorboard,
        verbose,
    ):
        """Make the callbacks of a plan.

        Args:
            plan: `keras_imas.runs.plan.Plan`.
            output_dir: Directory of the run.
            start: When it began, of `time.perf_counter`.
            signals: `keras_imas.training.stop_signals.StopSignals` in force.
            checkpoint_every: See `keras_imas.callbacks.Checkpoint`.
            keep: Number of checkpoints to keep.
            tensorboard: Whether to write for TensorBoard.
            verbose: See `keras_imas.progress.progress_style`.

        Returns:
            `Watchers`.
        """

        def within(name):
            return os.path.join(output_dir, name)

        recipe, parts = plan.recipe, plan.parts
        strong = strong_view(recipe.strong_view)
        if plan.supervised:
            strong = labeled_view(recipe.labeled_view, recipe.strong_view) or False
        speed = InputSpeed(
            plan.batches,
            parts.labeled if plan.supervised else parts.unlabeled,
            crop_size=recipe.crop_size,
            strong=strong,
            pipeline=parts.pipeline,
        )
        hardness_log = evaluation = board = checkpoint = None
        if not plan.supervised:
            hardness_log = HardnessLog(within("hardness.parquet"), parts.unlabeled)
        if parts.validation is not None:
            evaluation = _evaluation(plan, within("teacher_best.keras"))
        if tensorboard:
            board = TensorBoard(
                within("tensorboard"),
                hardness_log=hardness_log,
                evaluation=evaluation,
                draw=evaluation
                and (
                    lambda predictors: pictures.predictions(
                        predictors, parts.validation, parts.colors
                    )
                ),
            )
        if process_part()[1] == 1:
            checkpoint = Checkpoint(
                within("checkpoints"),
                every=checkpoint_every,
                keep=keep,
                configuration=plan.configuration(),
                signals=signals,
            )
        history = History(within("history.jsonl"), start, evaluation)
        lines = EpochLines(verbose)
        return cls(speed, hardness_log, evaluation, board, history, lines, checkpoint)

    @property
    def callbacks(self):
        """List of those that are there."""
        every = (getattr(self, field.name) for field in dataclasses.fields(self))
        return [callback for callback in every if callback is not None]


def _evaluation(plan, filepath):
    recipe, parts = plan.recipe, plan.parts

    def images(part):
        return part and data.evaluation(part, pipeline=parts.pipeline)

    return Evaluation(
        images(parts.validation),
        parts.num_classes,
        ignore_class=parts.ignore_class,
        every=recipe.evaluate_every,
        filepath=filepath,
        select_on=images(parts.select_on),
        **prediction_options(parts.validation, **reading_of(vars(recipe))),
    )
