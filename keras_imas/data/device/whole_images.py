"""Whole images with label maps, in order, read by threads."""

import keras
import numpy as np

from keras_imas.data.read_ahead import ahead


class WholeImages(keras.utils.PyDataset):
    """Batches of `(images, label_maps)` as of `evaluation`, without TensorFlow.

    Args:
        examples: labeled `Examples` that can be read without TensorFlow.
        batch_size: images a batch, all of one size.
        num_classes: as in `evaluation`.
        ignore_class: as in `evaluation`.
    """

    def __init__(self, examples, batch_size, *, num_classes, ignore_class):
        super().__init__()
        self._examples = examples
        self._batch_size = batch_size
        self._reading = dict(num_classes=num_classes, ignore_class=ignore_class)
        self._indices = np.arange(len(examples))
        if examples.on_bad_image == "skip":  # so that the number of batches is known
            readable = ahead(lambda i: self._read(i) is not None, self._indices)
            self._indices = self._indices[list(readable)]

    def __len__(self):
        return -(-len(self._indices) // self._batch_size)

    def __getitem__(self, number):
        if not 0 <= number < len(self):
            raise IndexError(number)
        return self._batch([self._read(index) for index in self._chosen(number)])

    def __iter__(self):
        batch = []
        for example in ahead(self._read, self._indices):
            batch.append(example)
            if len(batch) == self._batch_size:
                yield self._batch(batch)
                batch = []
        if batch:
            yield self._batch(batch)

    def _chosen(self, number):
        first = number * self._batch_size
        return self._indices[first : first + self._batch_size]

    def _read(self, index):
        return self._examples.get(index, **self._reading)

    def _batch(self, examples):
        size = examples[0]["image"].shape[:2]
        for example in examples:
            if example["image"].shape[:2] != size:
                raise ValueError(
                    f"`{example['name']}` is {list(example['image'].shape[:2])} "
                    f"(height, width), the images before it {list(size)}: batch_size="
                    f"{self._batch_size} needs one size. Use batch_size=1, or "
                    "image_size= in from_folder"
                )
        return (
            np.stack([example["image"] for example in examples]).astype("float32"),
            np.stack([example["label_map"] for example in examples]).astype("int32"),
        )
