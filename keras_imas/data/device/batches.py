"""Training batches whose views the device makes."""

import concurrent.futures
import copy

import keras

from keras_imas.backends.compiled import compiled
from keras_imas.backends.host import upload
from keras_imas.batch_checks import STRONG
from keras_imas.data.device.stream import Stream
from keras_imas.data.device.strong_view import strong_views
from keras_imas.data.device.weak_view import WeakView
from keras_imas.data.read_ahead import thread_count

_AHEAD = 3  # batches that threads read while the device computes
ON_HOST = ("operations", "parameters")
"""What stays on the host on PyTorch, which launches by it."""
WINDOW = ("window", "rows", "columns", "reach", "extent", "size")
"""What `WeakView.scale` takes, in its order."""


def on_device(kinds, steps, weak, position, *, seed, part, num_parallel_calls, **_):
    """Return training batches whose views the device makes.

    Args:
        kinds: dict of `keras_imas.data.kind.Kind`: "labeled", and "unlabeled" if there
            are unlabeled images.
        steps: number of batches of an epoch.
        weak: dict of the fields of `WeakView`.
        position: `keras_imas.data.position.Position`.
        seed: as in `semi_supervised`.
        part: as in `semi_supervised`.
        num_parallel_calls: as in `semi_supervised`.
        **_: what `tf.data` needs besides.

    Returns:
        `DeviceBatches`.
    """
    streams = [
        Stream(
            kind.examples,
            kind.batch_size,
            kind.stream,
            WeakView(**weak),
            seed=seed,
            part=part,
            labels=kind.labels,
            num_classes=kind.num_classes,
            strong=kind.strong,
            strong_views=kind.strong_views,
        )
        for kind in kinds.values()
    ]
    return DeviceBatches(streams, steps, position, num_parallel_calls)


class DeviceBatches(keras.utils.PyDataset):
    """Batches as of `semi_supervised`: threads read uint8, the device makes the views.

    Args:
        streams: list of the `keras_imas.data.device.stream.Stream` of the labeled
            images and, if there are any, of the unlabeled ones.
        steps: number of batches of an epoch.
        position: `keras_imas.data.position.Position`.
        threads: number of threads that read. Defaults to the machine's cores, 16 at
            most.

    Attributes:
        position: tells where an iteration starts.
    """

    def __init__(self, streams, steps, position, threads=None):
        super().__init__()
        self.position = position
        self._streams = streams
        self._steps = steps
        self._starts = position.starts()
        self._epochs_read = 0
        self._pool = concurrent.futures.ThreadPoolExecutor(threads or thread_count())
        self._begun = {}
        self._make = compiled(self._views)

    def __len__(self):
        return self._steps

    def __getitem__(self, index):
        """Return a batch of the epoch that the position tells."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        epoch, step = self.position.held or (self._epochs_read, 0)
        return self._batch(epoch, step + index, step + len(self))

    def __iter__(self):
        epoch, step = next(self._starts)
        for number in range(len(self)):
            yield self._batch(epoch, step + number, step + len(self))

    def on_epoch_end(self):
        """Go on to the next epoch, where nothing holds the position."""
        self._epochs_read += 1

    def take(self, count):
        """Return the first batches of each epoch.

        Args:
            count: number of batches.

        Returns:
            `DeviceBatches` at the same position.
        """
        taken = copy.copy(self)
        taken._steps = min(count, self._steps)
        taken._begun = {}
        return taken

    @property
    def element_spec(self):
        """What a batch holds, as `keras.KerasTensor`s without numbers."""
        labeled, *unlabeled = self._streams
        height, width = labeled.weak.crop_size

        def of(stream, dtype, *shape):
            return keras.KerasTensor((stream.batch_size, *shape), dtype)

        image = ("float32", height, width, 3)
        inputs = {
            "labeled": of(labeled, *image),
            "labeled_index": of(labeled, "int32"),
        }
        for stream in unlabeled:
            inputs |= {
                "unlabeled": of(stream, *image),
                **dict.fromkeys(STRONG[: stream.strong_views], of(stream, *image)),
                "unlabeled_valid": of(stream, "float32", height, width),
                "unlabeled_index": of(stream, "int32"),
            }
            if stream.labels:
                inputs["unlabeled_label_map"] = of(stream, "int32", height, width)
        return inputs, of(labeled, "int32", height, width)

    def _batch(self, epoch, step, stop):
        """Return a batch, and let threads begin to read those that follow it."""
        wanted = [(epoch, s) for s in range(step, min(step + 1 + _AHEAD, stop))]
        for key in self._begun.keys() - set(wanted):
            for _, futures in self._begun.pop(key):
                for future in futures:
                    future.cancel()
        for key in wanted:
            if key not in self._begun:
                self._begun[key] = [s.begin(self._pool, *key) for s in self._streams]
        read = []
        for arrays, futures in self._begun.pop((epoch, step)):
            for future in futures:
                future.result()
            read.append(uploaded(arrays))
        return self._make(*read)

    def _views(self, labeled, unlabeled=None):
        image, _ = self._streams[0].weak.scale(*(labeled[key] for key in WINDOW))
        if self._streams[0].strong is not None:
            image = _strong_view(image, labeled)
        inputs = {"labeled": image, "labeled_index": labeled["index"]}
        if unlabeled is not None:
            image, valid = self._streams[1].weak.scale(*(unlabeled[k] for k in WINDOW))
            inputs |= {
                "unlabeled": image,
                "unlabeled_valid": valid,
                "unlabeled_index": unlabeled["index"],
            }
            if self._streams[1].labels:
                inputs["unlabeled_label_map"] = unlabeled["label_map"]
            for view, name in enumerate(STRONG[: self._streams[1].strong_views]):
                inputs[name] = _strong_view(image, unlabeled, view)
        return inputs, labeled["label_map"]


def _strong_view(images, arrays, view=0):
    return strong_views(images, *(arrays[name][:, view] for name in ON_HOST))


def uploaded(arrays):
    """Return arrays as the backend takes them, without waiting for the copy.

    Args:
        arrays: dict of arrays of a `Stream`.

    Returns:
        Dict of arrays or tensors.
    """
    return {
        name: array if name in ON_HOST else upload(array)
        for name, array in arrays.items()
    }
