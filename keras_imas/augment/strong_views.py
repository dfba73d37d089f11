"""The strong views that have a name."""

from keras_imas.augment.color_jitter import ColorJitter
from keras_imas.augment.rand_augment import RandAugment
from keras_imas.augment.strong import MILD, StrongView

STRONG_VIEWS = {
    "imas": StrongView,
    "mild": lambda: StrongView(operations=MILD),
    "jitter": ColorJitter,
    "keras_cv": RandAugment,
}


def strong_view(name):
    """Make a strong view.

    Args:
        name: "imas", the twelve operations of the paper; "mild", without inversion and
            solarization, the hue turned half as far; "jitter", `ColorJitter`; or
            "keras_cv", `RandAugment`.

    Returns:
        Function from image and seed to image, see `keras_imas.data.semi_supervised`.

    Raises:
        ValueError: If there is no such view.

    Example:
        >>> strong_view("jitter").hue
        0.25
    """
    if name not in STRONG_VIEWS:
        raise ValueError(
            f"`strong_view` must be one of {', '.join(STRONG_VIEWS)}. Received: "
            f"{name!r}"
        )
    return STRONG_VIEWS[name]()
