"""Random numbers that are a function of where in the data they are used."""

import numpy as np

_ORDER = 0  # the place of an order among the draws of a pass; those of images follow


def order(seed, stream, epoch, number, size):
    """Return the order of the images in a pass.

    Args:
        seed: integer.
        stream: integer that tells the draws of two kinds of batches apart.
        epoch: epoch, from 0.
        number: which pass of the epoch, from 0.
        size: number of images.

    Returns:
        Permutation of their positions, int64 array.

    Example:
        >>> sorted(order(0, 1, 2, 0, size=4).tolist())
        [0, 1, 2, 3]
    """
    return _generator(seed, stream, epoch, number, _ORDER).permutation(size)


def of_image(seed, stream, epoch, number, index):
    """Return the generator of the draws of an image in a pass.

    Args:
        seed: as in `order`.
        stream: as in `order`.
        epoch: as in `order`.
        number: as in `order`.
        index: position of the image.

    Returns:
        `numpy.random.Generator`.

    Example:
        >>> draws = [of_image(0, 1, 2, 0, index=5).random() for _ in range(2)]
        >>> draws[0] == draws[1]
        True
    """
    return _generator(seed, stream, epoch, number, 1 + int(index))


def _generator(seed, *place):
    # Philox counts in the counter's first word: no two places have a number in common.
    stream, *place = place
    key = np.array([seed % 2**64, stream], "uint64")
    counter = np.array([0, *place], "uint64")
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
