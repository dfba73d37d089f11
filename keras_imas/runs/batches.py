"""The training batches of a recipe."""

from keras_imas import data
from keras_imas.augment.strong_views import labeled_view, strong_view
from keras_imas.backends.devices import check_batch, process_part
from keras_imas.backends.replicas import each_sees_its_part


def training_batches(recipe, parts, steps, *, unlabeled_labels=False):
    """Make the batches of a recipe's method.

    Args:
        recipe: `keras_imas.runs.recipe.Recipe`.
        parts: `keras_imas.runs.parts.Parts`.
        steps: Number of steps of an epoch.
        unlabeled_labels: See `keras_imas.data.semi_supervised`. Defaults to `False`.

    Returns:
        See `keras_imas.data.semi_supervised`.
    """
    common = dict(
        crop_size=recipe.crop_size,
        scale_range=(recipe.scale_min, recipe.scale_max),
        labeled_strong=labeled_view(recipe.labeled_view, recipe.strong_view),
        num_classes=parts.num_classes,
        ignore_class=parts.ignore_class,
        seed=recipe.seed,
        part=process_part(),
        pipeline=parts.pipeline,
    )
    if recipe.method == "supervised":
        return data.supervised(
            parts.labeled,
            batch_size=recipe.labeled_batch_size,
            steps_per_epoch=steps,
            **common,
        )
    return data.semi_supervised(
        parts.labeled,
        parts.unlabeled,
        labeled_batch_size=recipe.labeled_batch_size,
        unlabeled_batch_size=recipe.unlabeled_batch_size,
        strong=strong_view(recipe.strong_view),
        strong_views=recipe.strong_views,
        allow_shared=parts.allow_shared,
        unlabeled_labels=unlabeled_labels,
        **common,
    )


def check_batches(recipe, replicas):
    """Raise if the batches of a recipe can't be divided among replicas.

    Args:
        recipe: `keras_imas.runs.recipe.Recipe`.
        replicas: Number of devices that share a batch.

    Raises:
        ValueError: If they can't.
    """
    grouped = each_sees_its_part()
    ohem_group = recipe.ohem_group_size if grouped and recipe.ohem_min_kept else None
    pairing_group = recipe.pairing_group_size if grouped else None
    check_batch("labeled_batch_size", recipe.labeled_batch_size, replicas, ohem_group)
    check_batch(
        "unlabeled_batch_size", recipe.unlabeled_batch_size, replicas, pairing_group
    )
