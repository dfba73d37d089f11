"""A fingerprint of a data set, by which a change between two runs is found."""

import hashlib
import os

from keras_imas.data.examples import Examples

_BLOCK = 1 << 20


def fingerprint(examples: Examples, *, content: bool = False) -> str:
    """Return a digest of which examples there are, in which order, in which files.

    Args:
        examples: `Examples`.
        content: whether to read the files. Defaults to False: their sizes and the times
            they were changed tell, so that a copy of the data set is another one.

    Returns:
        String of 32 hexadecimal digits.

    Raises:
        OSError: if a file is not there any more.

    Example:
        ```python
        photographs = keras_imas.data.from_folder("photographs")
        assert fingerprint(photographs) == run["fingerprint"]
        ```
    """
    digest = hashlib.blake2b(digest_size=16)

    def add(text):
        digest.update(f"{len(text)}:{text}".encode(errors="surrogateescape"))

    add(f"{len(examples)} {examples.image_size} {examples.image_range}")
    for name in examples.names or ():
        add(name)
    for path in (*(examples.files or ()), *(examples.mask_files or ())):
        state = os.stat(path)
        add(str(state.st_size))
        if content:
            _add_content(digest, path)
        else:
            add(str(state.st_mtime_ns))
    return digest.hexdigest()


def _add_content(digest, path):
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
