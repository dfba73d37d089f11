"""The place on Earth that a GeoTIFF tells."""

from PIL import Image, TiffImagePlugin

# Scale, tie points, transformation; keys of the coordinate system, and their values.
# GDAL's 42112 and 42113 are left out: they describe the values of the photograph, such
# as which of them is no data, and would say that of class ids.
_TAGS = (33550, 33922, 34264, 34735, 34736, 34737)
_KEYS = 34735  # the one that makes a TIFF a GeoTIFF
_ORIENTATION = 274


def read_georeference(path):
    """Read the georeference of an image file.

    Args:
        path: Path of the file.

    Returns:
        Dict from TIFF tag to `(type, value)`; `None` if the file is no GeoTIFF, or
        can't be read.

    Example:
        >>> read_georeference("photo.jpg") is None
        True
    """
    try:
        with Image.open(path, formats=("TIFF",)) as image:
            tags = image.tag_v2
            # A mask is upright, and so has other rows and columns than a rotated file.
            if _KEYS not in tags or tags.get(_ORIENTATION, 1) != 1:
                return None
            return {t: (tags.tagtype[t], tags[t]) for t in _TAGS if t in tags}
    except Exception:  # it is no TIFF, of whatever kind Pillow finds that
        return None


def as_tags(georeference):
    """Return a georeference as Pillow writes it into a TIFF.

    Args:
        georeference: As `read_georeference` returns it; `None` has no tags.

    Returns:
        `PIL.TiffImagePlugin.ImageFileDirectory_v2`.

    Example:
        >>> dict(as_tags({33550: (12, (0.1, 0.1, 0.0))}))
        {33550: (0.1, 0.1, 0.0)}
    """
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, (kind, value) in (georeference or {}).items():
        tags.tagtype[tag] = kind
        tags[tag] = value
    return tags
