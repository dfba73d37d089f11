"""Batches in an order that depends on the seed and the epoch alone."""

import keras
import numpy as np

from keras_imas.data.position import Position


class EpochBatches(keras.utils.PyDataset):
    """Batches of arrays or of a `PyDataset`, in an order that can be resumed.

    `keras.Model.fit` shuffles by draws that on some backends no checkpoint can hold.

    Args:
        source: `keras.utils.PyDataset`, whose batches are put in order; or arrays of
            one length in a nested structure, such as `(inputs, label_maps)`, whose
            images are.
        batch_size: Number of images in a batch of arrays; the last one may have fewer.
            Defaults to `None`: for a `PyDataset`.
        seed: Integer, or `None` for the order of the source. Defaults to `None`.
        start: Number of batches of each epoch to leave out. Defaults to `0`.
        position: `keras_imas.data.position.Position` that tells the epoch. Defaults to
            `None`: its own.

    Raises:
        ValueError: If the arrays' lengths differ.

    Example:
        >>> batches = EpochBatches((np.arange(5),), 2)
        >>> [batch.tolist() for (batch,) in map(batches.take(2).__getitem__, range(2))]
        [[2, 3], [4]]
    """

    def __init__(self, source, batch_size=None, *, seed=None, start=0, position=None):
        workers = ("workers", "use_multiprocessing", "max_queue_size")
        own = {w: getattr(source, w) for w in workers if batch_size is None}
        super().__init__(**own)
        self._source = source
        self._batch_size = batch_size
        self._seed = seed
        self._start = start
        self._order = None, None
        self.position = position or Position()
        if batch_size is None:
            self._size = len(source)
            return
        sizes = {len(array) for array in keras.tree.flatten(source)}
        if len(sizes) != 1:
            raise ValueError(
                f"All arrays must have as many images. Received: {sorted(sizes)}"
            )
        (self._size,) = sizes

    def __len__(self):
        return -(-self._size // (self._batch_size or 1)) - self._start

    def __getitem__(self, index):
        size = self._batch_size or 1
        first = (index + self._start) * size
        chosen = self._shuffled()[first : first + size]
        if self._batch_size is None:
            return self._source[int(chosen[0])]
        return keras.tree.map_structure(lambda array: array[chosen], self._source)

    def on_epoch_begin(self):
        """Tell the source."""
        if self._batch_size is None:
            self._source.on_epoch_begin()

    def on_epoch_end(self):
        """Tell the source."""
        if self._batch_size is None:
            self._source.on_epoch_end()

    def take(self, count):
        """Return the last batches of each epoch, as what is left of one.

        Args:
            count: Number of batches.

        Returns:
            `EpochBatches` at the same position.
        """
        return EpochBatches(
            self._source,
            self._batch_size,
            seed=self._seed,
            start=self._start + len(self) - count,
            position=self.position,
        )

    def _shuffled(self):
        epoch = self.position.epoch
        if self._order[0] != epoch:
            order = np.arange(self._size)
            if self._seed is not None:
                order = np.random.default_rng([self._seed, epoch]).permutation(order)
            self._order = epoch, order
        return self._order[1]
