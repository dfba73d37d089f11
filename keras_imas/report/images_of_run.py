"""The images that a run was trained on, found again."""

import contextlib
import dataclasses
from collections.abc import Iterator

from keras_imas.data import Examples, as_examples
from keras_imas.report.reading import names_to_positions
from keras_imas.runs.flags import as_field
from keras_imas.runs.read_run import Run
from keras_imas.runs.sources import SOURCES, Source


@dataclasses.dataclass(frozen=True)
class ImagesOfRun:
    """The images that a run was trained on.

    Attributes:
        source: What reads them, one of `keras_imas.runs.sources`.
        labeled: `keras_imas.data.Examples`; images that can't be decoded are skipped.
        unlabeled: The same.
        positions: Dict from the name of an unlabeled image to its index.
    """

    source: Source
    labeled: Examples
    unlabeled: Examples
    positions: dict[str, int]


@contextlib.contextmanager
def images_of_run(run: Run) -> Iterator[ImagesOfRun]:
    """Find the images of a run, and work in the directory where it was started.

    Args:
        run: `keras_imas.runs.Run` with hardness.

    Yields:
        `ImagesOfRun`.

    Raises:
        ValueError: If they can't be found.
    """
    with contextlib.ExitStack() as stack:
        try:
            # Paths in the run's flags are relative to where it was started.
            where = run.facts.get("working_directory", ".")
            stack.enter_context(contextlib.chdir(where))
            images = _found(run)
        except (OSError, LookupError) as error:
            raise ValueError(str(error)) from error
        yield images


def _found(run):
    settings = run.facts.get("settings") or {}
    if settings.get("dataset") not in SOURCES:
        raise ValueError(
            "the run was not made by a program, and where its images are is not known"
        )
    kind = SOURCES[settings["dataset"]]
    values = {
        field.name: as_field(field, settings[field.name])
        for field in dataclasses.fields(kind)
        if field.name in settings and field.name != "cache"
    }
    source = kind(**values)
    parts = source.parts(run.facts["recipe"]["seed"])
    if parts["unlabeled"] is None:
        raise ValueError("none of its images is unlabeled any more")
    # One that can't be decoded must not end the report.
    labeled, unlabeled = (
        dataclasses.replace(as_examples(parts[name]), on_bad_image="skip")
        for name in ("labeled", "unlabeled")
    )
    positions = names_to_positions(unlabeled)
    lost = [name for name in run.hardness.images if name not in positions]
    if lost:
        raise ValueError(
            f"{lost[0]!r}, whose hardness was logged, is not among the unlabeled "
            "images any more"
        )
    return ImagesOfRun(source, labeled, unlabeled, positions)
