"""The network that a recipe asks for."""

from keras_imas.backends.replicas import each_sees_its_part
from keras_imas.models.deeplab_v3_plus import deeplab_v3_plus
from keras_imas.models.dpt import dpt


def student_network(recipe, num_classes, *, input_shape, weights=True):
    """Build the network of a recipe: a DPT over a DINO encoder, else a DeepLabV3+.

    What describes a DeepLabV3+ alone (output stride, multi-grid, auxiliary head) does
    not matter to a DPT.

    Args:
        recipe: `keras_imas.runs.recipe.Recipe`.
        num_classes: Number of classes.
        input_shape: `(height, width, 3)`; `None` for any.
        weights: Whether to load the encoder's weights. Defaults to `True`.

    Returns:
        `keras.Model` from images 0..255 to logits.

    Example:
        >>> from keras_imas.runs.recipe import Recipe
        >>> recipe = Recipe(backbone="mobilenet_v2", weights="none")
        >>> student_network(recipe, 5, input_shape=(33, 33, 3)).output_shape
        (None, 33, 33, 5)
    """
    loaded = recipe.weights if weights and recipe.weights != "none" else None
    if recipe.backbone.startswith("dino"):
        return dpt(
            num_classes,
            backbone=recipe.backbone,
            weights="pretrained" if loaded == "imagenet" else loaded,
            input_shape=input_shape,
            complementary_dropout=recipe.complementary_dropout,
        )
    return deeplab_v3_plus(
        num_classes,
        backbone=recipe.backbone,
        output_stride=recipe.output_stride,
        multi_grid=recipe.multi_grid or None,
        auxiliary_head=recipe.auxiliary_head,
        weights=loaded,
        input_shape=input_shape,
        synchronized=recipe.sync_batch_norm and each_sees_its_part(),
        complementary_dropout=recipe.complementary_dropout,
    )
