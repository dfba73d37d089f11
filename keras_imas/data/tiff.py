"""What an image that Pillow has open tells by its TIFF tags; of other files nothing."""

import itertools

# Tags of TIFF: channels, which of them are no color (1 and 2: alpha), numbers' format.
_SAMPLES, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 277, 338, 339
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
_PAGE_KIND, _NO_PAGE = 254, 1 | 4  # an overview, or which pixels are transparent
_UNSIGNED, _SIGNED = 1, 2


def signed(image):
    """Tell whether a TIFF's values have a sign."""
    return _first(image, _SAMPLE_FORMAT) == _SIGNED


def unsigned(image):
    """Tell whether values have 32 bits and no sign, which Pillow takes for signed."""
    if image.format != "TIFF" or image.mode != "I":
        return False
    return _first(image, _SAMPLE_FORMAT) in (None, _UNSIGNED)


def white_is_zero(image):
    """Tell whether a TIFF's 0 is white."""
    return _first(image, _PHOTOMETRIC) == _WHITE_IS_ZERO


def unread_channels(image):
    """Return the number of channels that are neither color nor said to be alpha."""
    if image.format != "TIFF":
        return 0
    colors = {"CMYK": 4}.get(image.mode, 3 if image.mode.startswith("RGB") else 1)
    if image.mode in ("YCbCr", "LAB"):
        colors = 3
    extra = image.tag_v2.get(_EXTRA_SAMPLES, ())
    alpha = sum(value in (1, 2) for value in extra[:1])
    return max((_first(image, _SAMPLES) or 1) - colors - alpha, 0)


def has_more_pages(image):
    """Tell whether there are pages or frames as large as the first; turns to them."""
    if image.format != "TIFF":
        # The other images of an MPO are previews, or what a second lens saw.
        return image.format != "MPO" and getattr(image, "is_animated", False)
    size = stored_size(image)
    try:
        for number in itertools.count(1):
            image.seek(number)
            if stored_size(image) == size:
                if not (_first(image, _PAGE_KIND) or 0) & _NO_PAGE:
                    return True
    except Exception:  # there is no other, or none that can be read
        return False


def channels_of_tiff(path):
    """Return the number of channels of a TIFF that Pillow can't open, or 0."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    try:
        with open(path, "rb") as file:
            tags = ImageFileDirectory_v2(file.read(8))
            file.seek(tags.next)
            tags.load(file)
            return int(tags.get(_SAMPLES, 1))
    except Exception:  # it is none, or damaged
        return 0


def stored_size(image):
    """Return the `(height, width)` of the pixels in the file."""
    if image.format == "TIFF":  # its size is that of what is shown
        return image.tag_v2[257], image.tag_v2[256]
    return image.height, image.width


def _first(image, tag):
    """Return the first value of a TIFF's tag, or None."""
    value = image.tag_v2.get(tag) if image.format == "TIFF" else None
    return value[0] if isinstance(value, tuple) else value
