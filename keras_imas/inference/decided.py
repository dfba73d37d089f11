"""Which class each pixel has, decided on the device."""

import numpy as np
from keras import ops

from keras_imas.backends.compiled import compiled
from keras_imas.models.resize import resize_bilinear


def decided(predicted, size, *, confidence=False, dtype="uint8"):
    """Return the classes of an image's pixels, and how sure the network is of them.

    Both are made on the device, so that of each pixel some bytes are copied and not a
    probability for each class.

    Args:
        predicted: What `keras_imas.inference.Predictor.on_device` yields of the image.
        size: `(height, width)` of the result.
        confidence: Whether to return the confidence too. Defaults to `False`.
        dtype: Of the confidence: `"uint8"`, 0..255, or `"float32"`, in [0, 1]. Defaults
            to `"uint8"`.

    Returns:
        `(label_map, confidence)`: arrays `(H, W)`; the label map is uint8, or int32 for
        more than 256 classes, and the confidence may be `None`.

    Raises:
        ValueError: If a pixel's probabilities are NaN, of which the first class would
            be taken as the largest.

    Example:
        >>> probabilities = ops.array([[[0.8, 0.2], [0.1, 0.9]]])
        >>> label_map, sure = decided((probabilities, (1, 2)), (1, 2), confidence=True)
        >>> label_map.tolist(), sure.tolist()
        ([[0, 1]], [[204, 230]])
    """
    probabilities, predicted_size = predicted
    if predicted_size != size:
        height, width = predicted_size
        probabilities = resize_bilinear(probabilities[None, :height, :width], *size)[0]
    if _has_nan(probabilities, *map(ops.convert_to_tensor, size)):
        raise ValueError(
            "The network returns NaN for an image. The image or the network's weights "
            "are not finite, or float16 overflows: take mixed_bfloat16"
        )
    label_map = _on_host(_classes(probabilities), size)
    if not confidence:
        return label_map, None
    sure = _bytes(probabilities) if dtype == "uint8" else _largest(probabilities)
    return label_map, _on_host(sure, size)


def _on_host(tensor, size):
    return np.array(ops.convert_to_numpy(tensor)[: size[0], : size[1]])


@compiled
def _has_nan(probabilities, height, width):
    rows, columns = (
        ops.arange(side, dtype="int32") for side in probabilities.shape[:2]
    )
    within = (rows < height)[:, None] & (columns < width)
    # Softmax makes all of a pixel NaN if one is.
    return ops.any(ops.isnan(probabilities[..., 0]) & within)


@compiled
def _classes(probabilities):
    dtype = "uint8" if probabilities.shape[-1] <= 256 else "int32"
    return ops.cast(ops.argmax(probabilities, axis=-1), dtype)


@compiled
def _largest(probabilities):
    return ops.max(probabilities, axis=-1)


@compiled
def _bytes(probabilities):
    return ops.cast(ops.round(255 * ops.max(probabilities, axis=-1)), "uint8")
