"""The labeled or the unlabeled images of training batches."""

import dataclasses
from typing import Any

from keras_imas.data.examples import Examples


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of images that a batch has.

    Attributes:
        examples: `Examples`.
        batch_size: images a batch, of all processes together.
        stream: integer that tells its draws from those of the other kind.
        num_classes: as in `semi_supervised`.
        labels: whether label maps are part of the batch.
        strong: the strong view that is made of them; None: none.
        strong_views: as in `semi_supervised`.
    """

    examples: Examples
    batch_size: int
    stream: int
    num_classes: int | None = None
    labels: bool = False
    strong: Any = None
    strong_views: int = 1


def require_parts(examples, batch_size, parts):
    """Refuse batches that several processes can't share.

    Args:
        examples: `Examples`.
        batch_size: images a batch, of all processes together.
        parts: number of processes.

    Raises:
        ValueError: if they can't.
    """
    if parts == 1:
        return
    if batch_size % parts:
        raise ValueError(
            f"A batch must divide among {parts} processes. Received: {batch_size} "
            "images"
        )
    if examples.on_bad_image == "skip":
        raise ValueError(
            "Several processes that train together can't skip bad images, which would "
            "put their batches out of step. Find them by `keras-imas check` "
            "(scripts/check_dataset.py), and "
            'take them out of the lists, or train with `on_bad_image="error"`'
        )
