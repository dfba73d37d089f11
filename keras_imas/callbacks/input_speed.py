"""Whether training waits for its input."""

import os
from collections.abc import Callable
from typing import Any

from keras_imas.callbacks.time_estimate import TimeEstimate
from keras_imas.data.examples import Examples
from keras_imas.typing import Batches, Size


class InputSpeed(TimeEstimate):
    """A `TimeEstimate` that says as well if training waits for its input.

    Where the step is measured, it runs the input pipeline alone for a few batches. If a
    step of `fit` takes hardly longer than that, the pipeline is what it waits for, and
    what each stage of it costs is printed, and what to do about it.

    Args:
        make_batches: Function that makes batches like those that `fit` reads, called
            where they are measured.
        examples: Images whose stages are measured.
        crop_size: Side of the crops in pixels.
        strong: See `keras_imas.data.speed.stage_seconds`. Defaults to `None`.
        pipeline: See `keras_imas.data.pipelines.choose_pipeline`. Defaults to
            `"auto"`.
        share: Of the time of a step, what the pipeline alone may take for a batch.
            Defaults to `0.9`.
        **measurement: See `TimeEstimate`.

    Attributes:
        waits: Whether training waits for its input; `None` until it is known.

    Example:
        >>> InputSpeed(list, [], crop_size=129).waits is None
        True
    """

    def __init__(
        self,
        make_batches: Callable[[], Batches],
        examples: Examples,
        *,
        crop_size: int | Size,
        strong: Any = None,
        pipeline: str = "auto",
        share: float = 0.9,
        **measurement: Any,
    ) -> None:
        super().__init__(**measurement)
        self.make_batches = make_batches
        self.examples = examples
        self.crop_size = crop_size
        self.strong = strong
        self.pipeline = pipeline
        self.share = share
        self.waits = None

    def measured(self, seconds: float) -> None:
        """Compare the pipeline with the step.

        Args:
            seconds: Time of a step in seconds.
        """
        from keras_imas.data.speed import batch_seconds, stage_seconds

        alone = batch_seconds(self.make_batches())
        if alone is None:  # a handful of batches
            return
        self.waits = alone > self.share * seconds
        if not self.waits:
            return
        stages = stage_seconds(
            self.examples,
            crop_size=self.crop_size,
            strong=self.strong,
            pipeline=self.pipeline,
        )
        slowest = max(stages, key=stages.get)
        costs = ", ".join(f"{name} {1e3 * s:.1f} ms" for name, s in stages.items())
        print(
            f"Training waits for its input: the pipeline alone takes {alone:.3f} s a "
            f"batch, a step of training {seconds:.3f} s. An image costs, on one of "
            f"{os.cpu_count()} cores: {costs}. {_REMEDIES[slowest]}, or train on a "
            "machine with more cores."
        )


_REMEDIES = {
    "read and decode": "Keep decoded images, by --cache=memory or --cache=DIR, or make "
    "smaller copies of large ones",
    "weak view": "Take smaller crops, or a smaller --scale_max",
    "strong view": "Take smaller crops, or pass a cheaper `strong=`",
}
