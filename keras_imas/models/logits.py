"""From images to logits at full resolution, by any segmentation network."""

import itertools
from typing import Any

import keras
from keras import ops

from keras_imas.arguments import check_channels
from keras_imas.backends.formulations import accelerated, faster
from keras_imas.backends.gradients import without_gradients
from keras_imas.models.resize import ResizeLike, resize_bilinear
from keras_imas.models.size_rule import check_images
from keras_imas.typing import Tensor


def list_outputs(outputs: Any) -> list[Tensor]:
    """List a network's outputs: the main logits first, then auxiliary ones.

    Args:
        outputs: A tensor; a list or tuple of them; or a dict of one of any name and of
            auxiliary ones whose names begin with `"auxiliary"`.

    Returns:
        List of tensors.

    Raises:
        ValueError: If it can't be told which output of a dict is the main one.

    Example:
        >>> list_outputs({"auxiliary": 2, "main": 1})
        [1, 2]
    """
    if isinstance(outputs, dict):
        # By name, as Keras on PyTorch returns the keys sorted.
        names = sorted(outputs, key=lambda name: (name.startswith("auxiliary"), name))
        if not all(name.startswith("auxiliary") for name in names[1:]):
            raise ValueError(
                "A dict of outputs must hold the main logits under any name, and "
                'auxiliary ones as "auxiliary", "auxiliary_2", .... Received: '
                f"{list(outputs)}"
            )
        return [outputs[name] for name in names]
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def run_network(
    network: keras.Model, images: Tensor, *, training: bool | None = False
) -> list[Tensor]:
    """Run a network, by its backend's faster formulations, and list its outputs.

    Args:
        network: Keras model from images to logits.
        images: Tensor `(B, H, W, 3)`.
        training: As in Keras. Defaults to `False`.

    Returns:
        List of tensors, as `list_outputs` returns.

    Example:
        >>> network = keras.layers.Conv2D(5, 2, strides=2)
        >>> [logits] = run_network(network, ops.zeros((1, 8, 8, 3)))
        >>> tuple(logits.shape)
        (1, 4, 4, 5)
    """
    with accelerated(network):
        return list_outputs(network(images, training=training))


def resize_logits(logits: Tensor, images: Tensor) -> Tensor:
    """Bring logits to float32 and to the resolution of the images.

    Args:
        logits: Tensor `(B, h, w, C)`.
        images: Tensor `(B, H, W, channels)`.

    Returns:
        float32 tensor `(B, H, W, C)`.

    Raises:
        ValueError: If the logits are not of rank 4, or have one channel.

    Example:
        >>> tuple(resize_logits(ops.zeros((1, 2, 2, 5)), ops.zeros((1, 8, 8, 3))).shape)
        (1, 8, 8, 5)
    """
    if len(logits.shape) != 4:
        raise ValueError(
            "A segmentation network must return logits (batch, height, width, "
            f"classes). Received: a tensor of shape {tuple(logits.shape)}"
        )
    check_channels("network", logits.shape[-1])
    logits = ops.cast(logits, "float32")
    if logits.shape[1:3] == images.shape[1:3] and None not in logits.shape[1:3]:
        return logits
    return resize_bilinear(logits, *ops.shape(images)[1:3])


def run_on_views(
    network: keras.Model, views: dict[str, Tensor], training: bool | None = None
) -> Any:
    """Run a network once over several views, so that they share batch statistics.

    Args:
        network: Keras model from images to logits.
        views: Dict of tensors `(B, H, W, 3)` of one size; `"labeled"` is among them
            where the network has an auxiliary output.
        training: As in Keras. Defaults to `None`.

    Returns:
        Dict of each view's logits, float32 `(B, H, W, C)`; and as `"auxiliary"` a list
        of the labeled view's auxiliary logits, where there are some.

    Example:
        >>> network = keras.layers.Conv2D(5, 2, strides=2)
        >>> images = ops.zeros((2, 8, 8, 3))
        >>> logits = run_on_views(network, {"labeled": images, "strong": images})
        >>> tuple(logits["strong"].shape)
        (2, 8, 8, 5)
    """
    images = ops.concatenate(list(views.values()), axis=0)
    outputs = run_network(network, images, training=training)
    logits = resize_logits(outputs[0], images)
    result = dict(zip(views, _split(logits, views.values()), strict=True))
    if len(outputs) > 1:
        labeled = views["labeled"]
        size = ops.shape(labeled)[0]
        result["auxiliary"] = [resize_logits(x[:size], labeled) for x in outputs[1:]]
    return result


def _split(images, parts):
    """Split a batch into parts of the sizes of `parts`."""
    sizes = [ops.shape(part)[0] for part in parts]
    stops = list(itertools.accumulate(sizes))
    if len(stops) > 1 and all(isinstance(stop, int) for stop in stops):
        # The gradient of a split is one concatenation, that of slices a sum of pads.
        split = faster("split")
        return split(images, sizes) if split else ops.split(images, stops[:-1], axis=0)
    return [
        images[start:stop] for start, stop in zip([0, *stops[:-1]], stops, strict=True)
    ]


def full_size_logits(network: keras.Model, images: Tensor) -> Tensor:
    """Run a network in inference mode; return its main logits at full resolution.

    Args:
        network: Keras model from images to logits.
        images: Tensor `(B, H, W, 3)`.

    Returns:
        float32 tensor `(B, H, W, C)`.

    Raises:
        ValueError: If the network does not take images of that size.

    Example:
        >>> network = keras.layers.Conv2D(5, 2, strides=2)
        >>> tuple(full_size_logits(network, ops.zeros((1, 8, 8, 3))).shape)
        (1, 8, 8, 5)
    """
    if isinstance(network, keras.Model):
        check_images(network, images)
    return resize_logits(run_network(network, images)[0], images)


def scoring_logits(network: keras.Model, images: Tensor) -> Tensor:
    """Run a network for its predictions alone, within a training step.

    Nothing is kept for a gradient, and losses that layers add (`add_loss`, activity
    regularizers) don't count: they belong to the training pass.

    Args:
        network: Keras model from images to logits.
        images: Tensor `(B, H, W, 3)`.

    Returns:
        float32 tensor `(B, H, W, C)`.

    Example:
        >>> network = keras.layers.Conv2D(5, 2, activity_regularizer="l2")
        >>> logits = scoring_logits(network, ops.ones((1, 8, 8, 3)))
        >>> network.losses
        []
    """
    with without_gradients():
        logits = full_size_logits(network, images)
    network._clear_losses()
    return ops.stop_gradient(logits)


def segmenter(network: keras.Model) -> keras.Model:
    """Wrap a network so that it returns one output, at the images' resolution.

    The weights are shared. What comes back can be evaluated, saved and exported.

    Args:
        network: Built Keras model from images to logits.

    Returns:
        `keras.Model` from images `(B, H, W, 3)` to float32 logits `(B, H, W, C)`.

    Example:
        >>> layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(5, 2, strides=2)]
        >>> segmenter(keras.Sequential(layers)).output_shape
        (None, 8, 8, 5)
    """
    try:
        shape = network.input_shape[1:]
    except AttributeError:  # a subclassed model
        shape = (None, None, 3)
    images = keras.Input(shape, name="images")
    logits = list_outputs(network(images, training=False))[0]
    logits = keras.layers.Activation("linear", dtype="float32", name="logits")(logits)
    if logits.shape[1:3] != images.shape[1:3] or None in logits.shape[1:3]:
        logits = ResizeLike(dtype="float32")([logits, images])
    return keras.Model(images, logits, name="segmenter")
