"""Plain TIFFs that Pillow can't write: signed numbers, floats, many channels."""

import struct


def write_tiff(path, array, extra=(), photometric=None):
    """Write an array `(H, W)` or `(H, W, C)`; `extra`: what channels beyond 3 are."""
    channels = array.shape[2] if array.ndim == 3 else 1
    height, width = array.shape[:2]
    form = {"u": 1, "i": 2, "f": 3}[array.dtype.kind]
    bits = (8 * array.itemsize,) * channels
    if photometric is None:
        photometric = 2 if channels > 2 else 1
    tags = {
        256: (width,), 257: (height,), 258: bits, 259: (1,), 262: (photometric,),
        273: (8,), 277: (channels,), 278: (height,), 279: (array.nbytes,),
        **({338: tuple(extra)} if extra else {}), 339: (form,) * channels,
    }  # fmt: skip
    start = 8 + array.nbytes
    entries, behind = b"", b""
    beyond = start + 2 + 12 * len(tags) + 4
    for tag, values in tags.items():
        content = struct.pack(f"<{len(values)}I", *values)
        entries += struct.pack("<HHI", tag, 4, len(values))
        if len(content) == 4:
            entries += content
        else:
            entries += struct.pack("<I", beyond + len(behind))
            behind += content
    head = struct.pack("<2sHI", b"II", 42, start)
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0) + behind
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + array.tobytes() + directory)
