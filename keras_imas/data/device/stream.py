"""One kind of images of the training batches, read by threads."""

import functools

import numpy as np

from keras_imas.backends.host import pinned
from keras_imas.data.device import draws
from keras_imas.data.device.strong_view import NAMES

_ORDERS = 4  # passes whose order is kept


class Stream:
    """The labeled or the unlabeled images of batches, as they go to the device.

    Args:
        examples: `Examples` that can be read without TensorFlow.
        batch_size: images a batch, of all parts together.
        number: integer that tells the draws of two kinds of images apart.
        weak: `keras_imas.data.device.weak_view.WeakView`.
        seed: as in `semi_supervised`.
        part: as in `semi_supervised`.
        strong: object whose `draw` draws the operations of a strong view. Defaults to
            None: there is none.
        strong_views: number of strong views. Defaults to 1.
        labels: whether label maps are read. Defaults to False.
        num_classes: as in `semi_supervised`. Defaults to None.
    """

    def __init__(
        self,
        examples,
        batch_size,
        number,
        weak,
        *,
        seed,
        part,
        strong=None,
        strong_views=1,
        labels=False,
        num_classes=None,
    ):
        self.examples = examples
        self.number = number
        self.weak = weak
        self.seed = seed
        self.strong = strong
        self.strong_views = strong_views
        self.labels = labels
        self.whole_batch = batch_size
        self.batch_size = batch_size // part[1]
        self._first = part[0] * self.batch_size
        self._reading = dict(
            labels=labels, num_classes=num_classes, ignore_class=weak.ignore_class
        )
        self._shapes = self._all_shapes(labels)
        self._order = functools.lru_cache(_ORDERS)(
            functools.partial(draws.order, seed, number, size=len(examples))
        )

    def _all_shapes(self, labels):
        examples = self.examples
        sizes = [examples.image_size] if examples.image_size else examples.sizes
        shapes = {**self.weak.shapes(sizes), "index": ((), "int32")}
        if examples.files is None:  # arrays may hold floats
            image = examples.fetch(0, wanted=("image",))["image"]
            dtype = "uint8" if image.dtype == "uint8" else "float32"
            shapes["window"] = (shapes["window"][0], dtype)
        if labels:
            shapes["label_map"] = (self.weak.crop_size, "int32")
        if self.strong is not None:
            count = len(self.strong.draw(np.random.default_rng(0)))
            shapes["operations"] = ((self.strong_views, count), "int32")
            shapes["parameters"] = ((self.strong_views, count), "float32")
        return shapes

    def begin(self, pool, epoch, step):
        """Let threads read a batch.

        Args:
            pool: `concurrent.futures.Executor`.
            epoch: epoch, from 0.
            step: step of the epoch, from 0.

        Returns:
            `(arrays, futures)`: dict of arrays, which are whole when the futures are
            done.
        """
        arrays = {
            name: pinned((self.batch_size, *shape), dtype)
            for name, (shape, dtype) in self._shapes.items()
        }
        first = step * self.whole_batch + self._first
        futures = []
        for row in range(self.batch_size):
            number, place = divmod(first + row, len(self.examples))
            order = self._order(epoch, number)
            into = {name: array[row, ...] for name, array in arrays.items()}
            futures.append(pool.submit(self._read, epoch, number, order, place, into))
        return arrays, futures

    def _read(self, epoch, number, order, place, into):
        """Read the image at a place, or the next one that can be read."""
        for further in range(len(order)):
            index = int(order[(place + further) % len(order)])
            example = self.examples.get(index, **self._reading)
            if example is not None:
                break
        random = draws.of_image(self.seed, self.number, epoch, number, index)
        at = self.weak.cut(example["image"], random.random(4, "float32"), into)
        into["index"][...] = index
        if "label_map" in into:
            self.weak.cut_label_map(example["label_map"], at, into["label_map"])
        if self.strong is not None:
            for view in range(self.strong_views):
                drawn = self.strong.draw(random)
                into["operations"][view] = [NAMES.index(name) for name, _ in drawn]
                into["parameters"][view] = [parameter for _, parameter in drawn]
