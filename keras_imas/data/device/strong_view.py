"""The strong view on the device: the operations of `StrongView`, in `keras.ops`."""

import keras
import numpy as np
from keras import ops

from keras_imas.augment.strong import GREY, LEAST_SIGMA, OPERATIONS

NAMES = tuple(OPERATIONS)
_LARGEST_SIGMA = OPERATIONS["gaussian_blur"][1]


def strong_views(images, operations, parameters):
    """Apply drawn operations to the images of a batch, one after the other.

    Args:
        images: `(B, H, W, 3)` float32 tensor, 0..255.
        operations: `(B, count)` int32, positions in `NAMES`; on PyTorch a NumPy array,
            so that the host knows what to launch.
        parameters: `(B, count)` float32, the same.

    Returns:
        `(B, H, W, 3)` float32 tensor, 0..255.

    Example:
        >>> images = np.full((1, 4, 4, 3), 100, "float32")
        >>> plan = [[NAMES.index("brightness"), NAMES.index("invert")]]
        >>> views = strong_views(images, np.array(plan), np.array([[0.5, 0.0]]))
        >>> float(views[0, 0, 0, 0])
        205.0
    """
    count = operations.shape[1]
    if keras.backend.backend() == "torch":
        views = []
        for image, chosen, values in zip(
            ops.convert_to_tensor(images),
            np.asarray(operations).tolist(),
            np.asarray(parameters).tolist(),
            strict=True,
        ):
            for operation, value in zip(chosen, values, strict=True):
                image = apply(image, NAMES[operation], value)
            views.append(image)
        return ops.stack(views)

    def view(drawn):
        image, chosen, values = drawn

        def applied(number, image):
            return ops.switch(chosen[number], _BRANCHES, image, values[number])

        return ops.fori_loop(0, count, applied, image) if count else image

    # One after the other, as each takes another branch.
    drawn = (images, operations, ops.cast(parameters, "float32"))
    return ops.map(view, tuple(map(ops.convert_to_tensor, drawn)))


def apply(image, operation, parameter=0.0):
    """Apply one operation to an image, as `StrongView.apply` does.

    Args:
        image: `(H, W, 3)` float32 tensor, 0..255.
        operation: one of `NAMES`.
        parameter: its parameter, a number or a scalar tensor.

    Returns:
        `(H, W, 3)` float32 tensor, 0..255.
    """
    return ops.clip(_OPERATIONS[operation](image, parameter), 0.0, 255.0)


def _identity(image, _):
    return image


def _auto_contrast(image, _):
    low, high = ops.min(image, axis=(0, 1)), ops.max(image, axis=(0, 1))
    varied = ops.cast(high > low, "float32")
    scale = varied * 255.0 / (high - low + (1.0 - varied)) + (1.0 - varied)
    return image * scale - low * scale * varied


def _equalize(image, _):
    levels = ops.cast(ops.round(image), "int32") + ops.arange(3, dtype="int32") * 256
    flat = ops.reshape(levels, (-1,))
    ones = ops.ones_like(flat, dtype="float32")  # exact up to 16 million pixels
    counts = ops.reshape(ops.segment_sum(ones, flat, num_segments=768), (3, 256))
    level = ops.arange(256, dtype="float32")
    total = ops.sum(counts, axis=1, keepdims=True)
    present = ops.cast(counts > 0, "float32")
    brightest = ops.max(present * level, axis=1, keepdims=True)
    last = ops.sum(counts * ops.cast(level == brightest, "float32"), 1, keepdims=True)
    step = ops.floor((total - last) / 255.0)
    below = ops.cumsum(counts, axis=1) - counts
    varied = ops.cast(step > 0, "float32")
    table = ops.floor((below + ops.floor(step / 2.0)) / (step + (1.0 - varied)))
    table = table * varied + level * (1.0 - varied)
    return ops.reshape(ops.take(ops.reshape(table, (-1,)), flat), image.shape)


def _invert(image, _):
    return 255.0 - image


def _gaussian_blur(image, sigma):
    known = isinstance(sigma, float)
    sigma = (max if known else ops.maximum)(sigma, LEAST_SIGMA)
    radius = int(np.ceil(3.0 * (sigma if known else _LARGEST_SIGMA)))
    offsets = np.arange(-radius, radius + 1).astype("float32")
    if known:
        kernel = np.exp(-(offsets**2) / (2.0 * sigma**2))
        kernel = (kernel / kernel.sum()).tolist()
    else:
        within = ops.cast(np.abs(offsets) <= ops.ceil(3.0 * sigma), "float32")
        kernel = within * ops.exp(-(offsets**2) / (2.0 * sigma**2))
        kernel = kernel / ops.sum(kernel)
    return _filtered(_filtered(image, kernel, 0), kernel, 1)


def _filtered(image, kernel, axis):
    """Filter along an axis; the border is replicated, as by Pillow."""
    size = image.shape[axis]
    radius = len(kernel) // 2 if isinstance(kernel, list) else kernel.shape[0] // 2
    first, last = (
        (image[:1], image[-1:]) if axis == 0 else (image[:, :1], image[:, -1:])
    )
    padded = ops.concatenate([first] * radius + [image] + [last] * radius, axis=axis)
    total = 0.0
    for tap in range(2 * radius + 1):
        part = slice(tap, tap + size)
        shifted = padded[part] if axis == 0 else padded[:, part]
        total = total + shifted * kernel[tap]
    return total


def _contrast(image, share):
    grey = ops.round(ops.sum(ops.mean(image, axis=(0, 1)) * _grey()))
    return image * share + grey * (1.0 - share)


def _brightness(image, share):
    return image * share


def _color(image, share):
    red, green, blue = GREY
    grey = image[..., :1] * red + image[..., 1:2] * green + image[..., 2:] * blue
    return image * share + grey * (1.0 - share)


def _sharpness(image, share):
    """The border stays as it is, as in Pillow."""
    inner = image[1:-1, 1:-1]
    rows = image[:-2] + image[1:-1] + image[2:]
    box = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    smooth = (box + inner * 4.0) / 13.0
    inner = inner * share + smooth * (1.0 - share)
    middle = ops.concatenate([image[1:-1, :1], inner, image[1:-1, -1:]], axis=1)
    return ops.concatenate([image[:1], middle, image[-1:]], axis=0)


def _posterize(image, bits):
    step = 2.0 ** (8.0 - _floor(bits))
    return ops.floor(image / step) * step


def _solarize(image, threshold):
    bright = ops.cast(image >= _floor(threshold), "float32")
    return ops.abs(bright * 255.0 - image)


def _hue(image, turn):
    hsv = ops.image.rgb_to_hsv(image / 255.0)
    hue = hsv[..., :1] + turn
    hue = hue - ops.floor(hue)
    return ops.image.hsv_to_rgb(ops.concatenate([hue, hsv[..., 1:]], axis=-1)) * 255.0


def _grey():
    return ops.convert_to_tensor(np.asarray(GREY, "float32"))


def _floor(value):
    return float(np.floor(value)) if isinstance(value, float) else ops.floor(value)


_OPERATIONS = {
    "identity": _identity,
    "auto_contrast": _auto_contrast,
    "equalize": _equalize,
    "invert": _invert,
    "gaussian_blur": _gaussian_blur,
    "contrast": _contrast,
    "brightness": _brightness,
    "color": _color,
    "sharpness": _sharpness,
    "posterize": _posterize,
    "solarize": _solarize,
    "hue": _hue,
}


def _branch(name):
    return lambda image, parameter: apply(image, name, parameter)


_BRANCHES = [_branch(name) for name in NAMES]
