"""The strong views that have a name, and the views of labeled images."""

from keras_imas.arguments import check_choice
from keras_imas.augment.color_jitter import ColorJitter
from keras_imas.augment.rand_augment import RandAugment
from keras_imas.augment.strong import MILD, StrongView

STRONG_VIEWS = {
    "imas": StrongView,
    "mild": lambda: StrongView(operations=MILD),
    "jitter": ColorJitter,
    "keras_cv": RandAugment,
}

# The ranges of contrast, saturation and hue are those of MMSegmentation's
# `PhotoMetricDistortion`.
LABELED_VIEWS = {
    "weak": lambda strong: None,
    "photometric": lambda strong: ColorJitter(hue=0.05, gray=0.0, blur=0.0),
    "strong": lambda strong: strong_view(strong),
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
    check_choice("strong_view", name, STRONG_VIEWS)
    return STRONG_VIEWS[name]()


def labeled_view(name, strong):
    """Make what changes the colors of labeled images.

    Args:
        name: "weak", nothing; "photometric", brightness, contrast and saturation by up
            to a half, and the hue by a twentieth of a turn; or "strong", as the strong
            view of unlabeled images.
        strong: name of that strong view, see `strong_view`.

    Returns:
        Function from image and seed to image, or None: nothing.

    Raises:
        ValueError: If there is no such view.

    Example:
        >>> labeled_view("photometric", "imas").hue
        0.05
    """
    check_choice("labeled_view", name, LABELED_VIEWS)
    return LABELED_VIEWS[name](strong)


def described(view):
    """Describe a strong view, so that two of them can be compared.

    Args:
        view: Function from image and seed to image, or None.

    Returns:
        Dict of the name and the settings of a view of this package; any other as it is.

    Example:
        >>> described(ColorJitter()) == described(ColorJitter(gray=0.1))
        False
    """
    kind = type(view)
    if kind not in (StrongView, ColorJitter, RandAugment):
        return view
    settings = {k: v for k, v in vars(view).items() if not k.startswith("_")}
    return {"view": kind.__name__, **settings}
