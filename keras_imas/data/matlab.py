"""Label maps in MATLAB files, as SBD has them.

By a reader of our own, as SciPy's ends the process where a file is damaged: of MATLAB's
format 5 (its documentation: "MAT-File Format") it knows structures and numbers.
"""

import struct
import zlib

import numpy as np

_MATRIX, _COMPRESSED = 14, 15
_STRUCT, _NUMBERS = 2, range(6, 16)
_DTYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}


def read_matrix(path, variable, field, max_bytes):
    """Read a matrix that is a field of a structure.

    Args:
        path: path of the file.
        variable: name of the structure.
        field: name of the field.
        max_bytes: bytes that the file may decompress to.

    Returns:
        Array, as the file has it.

    Raises:
        OSError: if the file can't be read.
        ValueError: if it has no such matrix, is damaged, or is too large.
    """
    with open(path, "rb") as file:
        content = file.read()
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise ValueError("it is not a MATLAB file of format 5 to 7")
    reader = _Reader(order)
    try:
        for kind, data in reader.elements(content[128:]):
            if kind == _COMPRESSED:
                inflate = zlib.decompressobj()
                data = inflate.decompress(data, max_bytes)
                if inflate.unconsumed_tail:
                    raise ValueError(
                        f"it decompresses to more than {max_bytes:,} bytes"
                    )
                kind, data = next(reader.elements(data))
            if kind == _MATRIX:
                name, kind, shape, parts = reader.matrix(data)
                if name == variable and kind == _STRUCT and np.prod(shape) == 1:
                    return reader.field(parts, field)
    except (StopIteration, struct.error, zlib.error, IndexError, TypeError) as error:
        raise ValueError(f"it is damaged ({error!r})") from None
    raise ValueError(f"it has no structure {variable}")


class _Reader:
    """Reads what is in an order of bytes, "<" or ">"."""

    def __init__(self, order):
        self.order = order

    def elements(self, data):
        """Yield the type and the content of each element."""
        place = 0
        while place + 8 <= len(data):
            kind, size = struct.unpack_from(f"{self.order}II", data, place)
            if kind >> 16:  # a small one, in its own tag
                kind, size, start = kind & 0xFFFF, kind >> 16, place + 4
                place += 8
                if size > 4:
                    raise ValueError("it is damaged: a small element is too large")
            else:
                start = place + 8
                place = start + size
                if kind != _COMPRESSED:
                    place += -size % 8
                if start + size > len(data):
                    raise ValueError("it is damaged: it ends too early")
            yield kind, data[start : start + size]

    def matrix(self, data):
        """Return name, class and shape of a matrix, and what comes after these."""
        elements = self.elements(data)
        flags, shape, name = [self._numbers(*next(elements)) for _ in range(3)]
        if flags.dtype.kind not in "iu" or shape.dtype.kind not in "iu":
            raise ValueError("it is damaged: a size is no whole number")
        name = name.tobytes().decode("latin-1")
        return name, int(flags[0]) & 255, tuple(map(int, shape)), elements

    def field(self, elements, wanted):
        """Return the matrix in a field of a structure of one element."""
        length = int(self._numbers(*next(elements))[0])
        names = self._numbers(*next(elements)).tobytes()
        if not 0 < length <= 64:
            raise ValueError("it is damaged: the names of fields are too long")
        for place in range(0, len(names), length):
            _, data = next(elements)
            name = names[place : place + length].split(b"\0")[0].decode("latin-1")
            if name != wanted:
                continue
            _, kind, shape, parts = self.matrix(data)
            if kind not in _NUMBERS:
                break
            numbers = self._numbers(*next(parts))
            if len(shape) != 2 or min(shape) < 1 or shape[0] * shape[1] != len(numbers):
                raise ValueError(f"its {wanted} has {len(numbers)} values for {shape}")
            return numbers.reshape(shape, order="F")
        raise ValueError(f"it has no matrix of numbers {wanted}")

    def _numbers(self, kind, data):
        if kind not in _DTYPES:
            raise ValueError(f"it is damaged: there are no numbers of type {kind}")
        dtype = np.dtype(f"{self.order}{_DTYPES[kind]}")
        if len(data) % dtype.itemsize:
            raise ValueError("it is damaged: half a number")
        return np.frombuffer(data, dtype)
