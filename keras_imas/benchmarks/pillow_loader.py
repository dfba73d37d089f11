"""A plain loader of the steps of `keras_imas.data`, to compare with.

What is written around Pillow for training in PyTorch: decode, resize the whole image by
the random scale, pad, crop, mirror, and two of the twelve operations for the strong
view. One process an image; nothing here uses threads.
"""

import dataclasses
import time

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps


@dataclasses.dataclass(frozen=True)
class Options:
    """What the loader has in common with the pipeline.

    Attributes:
        crop_size: pixels of the square crop.
        scale_range: `(low, high)` of the random scale.
        padding_color: RGB value of padding.
        ignore_class: id of padding in label maps.
        operations: dict from the name of an operation to its range.
    """

    crop_size: int
    scale_range: tuple
    padding_color: tuple
    ignore_class: int
    operations: dict


def load_labeled(files, seed, options):
    """Make a batch of images and label maps, and throw it away.

    Args:
        files: pairs of an image's and its mask's path.
        seed: integers.
        options: `Options`.

    Returns:
        The processor's time in seconds.
    """
    start = time.process_time()
    rng = np.random.default_rng(seed)
    shape = (len(files), options.crop_size, options.crop_size)
    images, label_maps = np.empty((*shape, 3), "float32"), np.empty(shape, "int32")
    for i, (image, mask) in enumerate(files):
        image, mask, _ = weak_view(
            Image.open(image).convert("RGB"), Image.open(mask), rng, options
        )
        images[i], label_maps[i] = image, mask
    return time.process_time() - start


def load_unlabeled(files, seed, options):
    """Make a batch of weak and strong views, and throw it away.

    Args:
        files: pairs of an image's path and one that isn't used.
        seed: integers.
        options: `Options`.

    Returns:
        The processor's time in seconds.
    """
    start = time.process_time()
    rng = np.random.default_rng(seed)
    shape = (len(files), options.crop_size, options.crop_size)
    weak, strong = np.empty((*shape, 3), "float32"), np.empty((*shape, 3), "float32")
    valid = np.zeros(shape, "float32")
    for i, (image, _) in enumerate(files):
        image, _, (height, width) = weak_view(
            Image.open(image).convert("RGB"), None, rng, options
        )
        valid[i, :height, :width] = 1
        weak[i], strong[i] = image, strong_view(image, rng, options)
    return time.process_time() - start


def weak_view(image, mask, rng, options):
    scale = rng.uniform(*options.scale_range)
    width, height = (max(round(side * scale), 1) for side in image.size)
    crop = options.crop_size
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    border = (0, 0, max(crop - width, 0), max(crop - height, 0))
    left = int(rng.integers(max(width - crop, 0) + 1))
    top = int(rng.integers(max(height - crop, 0) + 1))
    box = (left, top, left + crop, top + crop)
    mirrored = rng.random() < 0.5

    def finish(image, fill):
        if any(border):
            image = ImageOps.expand(image, border, fill)
        image = image.crop(box)
        return ImageOps.mirror(image) if mirrored else image

    if mask is not None:
        mask = mask.resize((width, height), Image.Resampling.NEAREST)
        mask = finish(mask, options.ignore_class)
    return finish(image, options.padding_color), mask, (height, width)


def strong_view(image, rng, options):
    names = list(options.operations)
    for index in rng.integers(len(names), size=2):
        start, stop = options.operations[names[index]]
        parameter = start + rng.random() * (stop - start)
        image = OPERATIONS[names[index]](image, parameter)
    return image


def shift_hue(image, turn):
    hue, saturation, value = image.convert("HSV").split()
    hue = hue.point([(level + int(turn * 255)) % 256 for level in range(256)])
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")


OPERATIONS = {
    "identity": lambda image, _: image,
    "auto_contrast": lambda image, _: ImageOps.autocontrast(image),
    "equalize": lambda image, _: ImageOps.equalize(image),
    "invert": lambda image, _: ImageOps.invert(image),
    "gaussian_blur": lambda image, s: image.filter(ImageFilter.GaussianBlur(s)),
    "contrast": lambda image, share: ImageEnhance.Contrast(image).enhance(share),
    "brightness": lambda image, share: ImageEnhance.Brightness(image).enhance(share),
    "color": lambda image, share: ImageEnhance.Color(image).enhance(share),
    "sharpness": lambda image, share: ImageEnhance.Sharpness(image).enhance(share),
    "posterize": lambda image, bits: ImageOps.posterize(image, int(bits)),
    "solarize": lambda image, level: ImageOps.solarize(image, int(level)),
    "hue": shift_hue,
}
