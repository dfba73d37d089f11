"""GeoTIFFs, written by Pillow and read without it."""

import struct

from PIL import Image, TiffImagePlugin

# UTM zone 32 north: keys of the coordinate system, half a meter a pixel.
KEYS = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32632)
PLACE = {
    33550: (12, (0.5, 0.5, 0.0)),
    33922: (12, (0.0, 0.0, 0.0, 365000.25, 5622000.75, 0.0)),
    34735: (3, KEYS),
    34737: (2, "WGS 84 / UTM zone 32N|"),
}
NO_DATA = {42113: (2, "0")}


def write_geotiff(path, image, tags=None, **options):
    """Write an array as a GeoTIFF, whose value 0 is no data."""
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, (kind, value) in {**PLACE, **NO_DATA, **(tags or {})}.items():
        directory.tagtype[tag] = kind
        directory[tag] = value
    Image.fromarray(image).save(path, "TIFF", tiffinfo=directory, **options)


def tags_of(path):
    """Read the tags of a little-endian TIFF: dict from tag to `(type, bytes)`."""
    content = path.read_bytes()
    assert content[:4] == b"II*\0"
    (start,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, start)
    found = {}
    for number in range(count):
        entry = start + 2 + 12 * number
        tag, kind, length = struct.unpack_from("<HHI", content, entry)
        size = length * {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 9: 4, 11: 4, 12: 8}.get(kind, 1)
        at = entry + 8
        if size > 4:
            (at,) = struct.unpack_from("<I", content, at)
        found[tag] = (kind, content[at : at + size])
    return found


def place_of(path):
    """Return the georeference of a TIFF, as its bytes are."""
    return {t: value for t, value in tags_of(path).items() if t in PLACE}
