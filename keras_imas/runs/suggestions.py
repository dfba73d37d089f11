"""Settings derived from the data: a rule each, and its reason."""

import dataclasses
import math

from keras_imas.runs.recipe import Recipe

# What the defaults were chosen on: crops of 129 of photographs of 180 x 240.
_CROP = 129
_LARGEST_CROP = 193
_CROP_SHARE = 3 / 4  # of the images' shorter side
_SHOWN = 2 / 3  # of the crop's side, that an image at the smallest scale should fill
_BATCH = 4
_LARGEST_BATCH = 16
_PASSES = 30
_STEPS = 3000
_MOST_STEPS = 12_000
_WHOLE_PIXELS = 2048 * 2048
_MOST_CROPS = 4  # along the shorter side of an image
_RARE = 0.01
_DINO_RATE = 1e-4  # 20 times UniMatch V2's
_MAX_NAMED = 3


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """A setting derived from the data.

    Attributes:
        flag: Name of the flag.
        value: Its value.
        reason: A sentence that names the number it follows from.
        taken: Whether `train folder` takes it where the flag is not given; otherwise
            it is worth a try.
    """

    flag: str
    value: object
    reason: str
    taken: bool = True

    def __str__(self):
        return f"--{self.flag}={self.value}: {self.reason}"


def suggest(facts, recipe=None, given=()):
    """Suggest settings for a data set.

    What is taken depends on the data and on the flags alone, not on the machine: the
    same command on the same data resumes anywhere.

    Args:
        facts: `Facts`.
        recipe: `keras_imas.runs.recipe.Recipe` of the flags, given or not. Defaults to
            `None`: their defaults.
        given: Names of the flags that are given, which stay as they are. Defaults to
            `()`.

    Returns:
        The recipe with the suggestions that are taken, and the list of all
        `Suggestion`s.

    Example:
        >>> from keras_imas.runs.data_facts import Facts
        >>> facts = Facts(labeled=40, unlabeled=400, sizes={(256, 320): 440})
        >>> recipe, suggestions = suggest(facts)
        >>> recipe.crop_size
        161
        >>> print(suggestions[0])
        --crop_size=161: at most three quarters of the images' shorter side of 256
        pixels
    """
    recipe = recipe or Recipe()
    found = []
    for rule in (*(_BY_SIZE if facts.sizes else ()), *_BY_COUNTS):
        suggestion = rule(facts, recipe)
        if suggestion is None or suggestion.flag in given:
            continue
        found.append(suggestion)
        if suggestion.taken:
            recipe = dataclasses.replace(recipe, **{suggestion.flag: suggestion.value})
    return recipe, found


def print_suggestions(suggestions):
    """Print what is taken, and what is worth a try, a line each.

    Args:
        suggestions: List of `Suggestion`.

    Example:
        >>> print_suggestions([Suggestion("steps", 3000, "30 passes over 400 images")])
        Derived from the data (pass a flag to override it):
          --steps=3000: 30 passes over 400 images
    """
    for taken, heading in (
        (True, "Derived from the data (pass a flag to override it):"),
        (False, "Worth a try:"),
    ):
        chosen = [each for each in suggestions if each.taken == taken]
        for line in [heading, *(f"  {each}" for each in chosen)] if chosen else ():
            print(line, flush=True)


def warn_of_rate(recipe):
    """Warn where the learning rate is too large for a foundation encoder.

    Args:
        recipe: `keras_imas.runs.recipe.Recipe`.

    Example:
        >>> warn_of_rate(Recipe(backbone="dinov2_small"))
        Warning: --optimizer=sgd --learning_rate=0.01 is too much for dinov2_small...
    """
    fast = recipe.learning_rate > _DINO_RATE and not recipe.freeze_encoder
    too_large = recipe.optimizer == "sgd" or fast
    if _on_dino(recipe) and too_large:
        print(
            f"Warning: --optimizer={recipe.optimizer} --learning_rate="
            f"{recipe.learning_rate:g} is too much for {recipe.backbone}. UniMatch V2 "
            "takes --optimizer=adamw --learning_rate=5e-6 --decoder_multiplier=40",
            flush=True,
        )


def _on_dino(recipe):
    return recipe.backbone.startswith("dino") and not recipe.start_from


def _crop(facts, recipe):
    """A crop shows most of an image, and costs what a CPU can bear."""
    if recipe.start_from:
        return None  # a network that may take other sizes
    side = facts.side
    if side <= _CROP:
        reason = f"the whole shorter side of the images, {side} pixels"
        return Suggestion("crop_size", side, reason)
    share = int(_CROP_SHARE * side)
    room = min(max(share, _CROP), _LARGEST_CROP)
    if _on_dino(recipe):  # whole patches
        patch = 16 if recipe.backbone.startswith("dinov3") else 14
        crop = room // patch * patch
    else:
        crop = (room - 1) // 32 * 32 + 1
    reason = f"at most three quarters of the images' shorter side of {side} pixels"
    if share > _LARGEST_CROP:
        reason = (
            f"the images' shorter side is {side} pixels, and larger crops are "
            "slow without a GPU"
        )
    elif share < _CROP:
        reason = f"fits into the images' shorter side of {side} pixels"
    return Suggestion("crop_size", crop, reason)


def _scale_min(facts, recipe):
    """An image at the smallest scale fills most of a crop: the rest is padding."""
    side, crop = facts.side, recipe.crop_size
    fills = math.ceil(20 * _SHOWN * crop / side) / 20
    scale = min(max(fills, 0.5), 1.0, recipe.scale_max)
    reason = (
        f"an image of {side} pixels fills {min(scale * side / crop, 1):.0%} of the "
        f"side of a crop of {crop} at that scale"
    )
    return Suggestion("scale_min", scale, reason)


def _window(facts, recipe):
    """Images are read as the network was trained, or by parts if they are too large."""
    height, width = max(facts.sizes, key=lambda size: size[0] * size[1])
    crop = recipe.crop_size
    if height * width > _WHOLE_PIXELS:
        reason = (
            f"images of up to {height} x {width} are too large for one pass, and the "
            f"network is trained on crops of {crop} pixels"
        )
    elif recipe.start_from or _on_dino(recipe) or max(height, width) <= crop:
        return None  # not measured, or the same
    else:
        reason = (
            f"as in training, on crops of {crop} pixels; on CamVid up to 0.05 mIoU "
            "more, for 2.3 times the pixels"
        )
    return Suggestion("window", crop, reason)


def _image_size(facts, recipe):
    """Images are read smaller where a crop shows but a corner of them."""
    shapes = {round(width / height, 2) for height, width in facts.sizes}
    crop, side = recipe.crop_size, facts.side
    if side <= _MOST_CROPS * crop or len(shapes) > 1:
        return None
    height, width = max(facts.sizes, key=facts.sizes.get)
    factor = -(-min(height, width) // (_MOST_CROPS * crop))
    height, width = round(height / factor), round(width / factor)
    reason = (
        f"a crop of {crop} pixels shows {crop / side:.0%} of the shorter side of "
        f"{side}, and {crop / min(height, width):.0%} of it then; objects of a few "
        "pixels are lost"
    )
    return Suggestion("image_size", f"{height},{width}", reason, taken=False)


def _labeled_batch(facts, recipe):
    return _batch("labeled", facts.labeled, recipe)


def _unlabeled_batch(facts, recipe):
    return _batch("unlabeled", facts.unlabeled, recipe)


def _batch(kind, images, recipe):
    """Small crops leave room for more of them, but no image is there twice."""
    crop = recipe.crop_size
    if not images or recipe.ohem_group_size or recipe.pairing_group_size:
        return None  # a batch must be whole groups
    room = min(max(_BATCH * _CROP**2 // crop**2, _BATCH), _LARGEST_BATCH)
    # Powers of 2, which several devices can divide.
    size = 2 ** (min(room, images).bit_length() - 1)
    reason = f"room for {room} crops of {crop} pixels; there are {images} {kind} images"
    if images < room:
        reason = f"there are only {images} {kind} images"
    return Suggestion(f"{kind}_batch_size", size, reason)


def _optimizer(facts, recipe):
    return _of_unimatch_v2(recipe, "optimizer", "adamw")


def _learning_rate(facts, recipe):
    return _of_unimatch_v2(recipe, "learning_rate", 5e-6)


def _decoder_multiplier(facts, recipe):
    return _of_unimatch_v2(recipe, "decoder_multiplier", 40.0)


def _of_unimatch_v2(recipe, flag, value):
    """A head without normalization diverges at the rates of SGD."""
    if not _on_dino(recipe):
        return None
    if flag != "optimizer" and recipe.optimizer != "adamw":
        return None  # the user's choice
    reason = f"UniMatch V2's: the head on {recipe.backbone} diverges at SGD's rates"
    return Suggestion(flag, value, reason)


def _steps(facts, recipe):
    """Many passes over the images, and no fewer steps than the default."""
    if recipe.epochs:
        return None
    images, batch = max(
        (facts.labeled, recipe.labeled_batch_size),
        (facts.unlabeled, recipe.unlabeled_batch_size),
        key=lambda pair: pair[0] / pair[1],
    )
    wanted = -(-_PASSES * images // (100 * batch)) * 100
    steps = min(max(wanted, _STEPS), _MOST_STEPS)
    passes = steps * batch / images
    reason = f"{passes:.0f} passes over {images} images by {batch} a step"
    if wanted < steps:
        reason += f"; no fewer than the default of {_STEPS:,}"
    if wanted > steps:
        reason += f"; up to {_PASSES} may be better, but take {wanted:,} steps"
    return Suggestion("steps", steps, reason)


def _all_steps(facts, recipe):
    """Return how many steps a run has."""
    an_epoch = recipe.steps_per_epoch(facts.labeled, facts.unlabeled or None)
    return recipe.epochs * an_epoch or recipe.steps


def _warmup_steps(facts, recipe):
    """The first pseudo labels need a teacher that has learned something."""
    steps = _all_steps(facts, recipe)
    reason = f"a quarter of the {steps:,} steps, so that the teacher learns first"
    return Suggestion("warmup_steps", steps // 4, reason)


def _learning_rate_warmup(facts, recipe):
    """A short run must reach its learning rate."""
    steps = _all_steps(facts, recipe)
    if recipe.learning_rate_warmup <= steps // 10:
        return None
    reason = f"a tenth of the {steps:,} steps"
    return Suggestion("learning_rate_warmup", steps // 10, reason)


def _class_weights(facts, recipe):
    """Rare classes are lost unless they weigh more. Never together with OHEM."""
    if recipe.class_weights or recipe.ohem_min_kept:
        return None
    counted = {k: n for k, n in facts.pixels.items() if k != facts.ignore_class}
    total = sum(counted.values())
    rare = sorted((n, k) for k, n in counted.items() if 0 < n < _RARE * total)
    if not rare:
        return None
    names = dict(enumerate(facts.class_names))
    shown = [f"{names.get(k, k)} ({n / total:.2%})" for n, k in rare[:_MAX_NAMED]]
    more = len(rare) - _MAX_NAMED
    reason = (
        f"classes of less than {_RARE:.0%} of the labeled pixels are often lost: "
        f"{', '.join(shown)}" + (f" and {more} more" if more > 0 else "")
    )
    return Suggestion("class_weights", "balanced", reason, taken=False)


def _ignore_class(facts, recipe):
    """One id beyond the classes is that of pixels without label, if two are classes."""
    classes = range(len(facts.class_names))
    beyond = [k for k, n in facts.pixels.items() if n and k not in classes]
    inside = [k for k, n in facts.pixels.items() if n and k in classes]
    if len(beyond) != 1 or len(inside) < 2 or beyond == [facts.ignore_class]:
        return None
    reason = (
        f"{beyond[0]} is the one id of the masks that is none of the "
        f"{len(classes)} classes"
    )
    return Suggestion("ignore_class", beyond[0], reason, taken=False)


def _backbone(facts, recipe):
    """A GPU has room for a foundation encoder, the largest lever with few masks."""
    if not facts.gpu or recipe.start_from or recipe.backbone != Recipe().backbone:
        return None
    reason = (
        f"there is a GPU ({facts.gpu}), and a foundation encoder is worth most with "
        f"few masks, {facts.labeled} here; with --crop_size=322 where images are "
        "as large"
    )
    return Suggestion("backbone", "dinov2_small", reason, taken=False)


# In this order, as a rule builds on what those before have changed.
_BY_SIZE = (_crop, _scale_min, _window, _image_size)
_BY_COUNTS = (
    _labeled_batch,
    _unlabeled_batch,
    _optimizer,
    _learning_rate,
    _decoder_multiplier,
    _steps,
    _warmup_steps,
    _learning_rate_warmup,
    _class_weights,
    _ignore_class,
    _backbone,
)
