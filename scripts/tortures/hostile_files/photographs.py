"""Make small, whole photographs and masks to damage."""

import io

import numpy as np
from PIL import Image

NAMES = ("a", "b/c", "ä ö", "2007_000032")


def pixels(mode):
    rng = np.random.default_rng(0)
    if mode == "I;16":
        return rng.integers(0, 65536, (8, 8), "uint16")
    return rng.integers(0, 256, (8, 8) if mode == "L" else (8, 8, 3), "uint8")


def encoded(image, suffix, options):
    file = io.BytesIO()
    form = {"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix)
    image.save(file, form, **options)
    return file.getvalue()


def make_photographs(root, names):
    for name in names:
        for what, mode in (("images", "RGB"), ("masks", "L")):
            path = root / what / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels(mode) % 3, mode).save(path)
