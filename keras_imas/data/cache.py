"""A cache of decoded images, in memory or on disk."""

import hashlib
import os
import sys
import tempfile

import numpy as np

from keras_imas.files.user_path import user_path
from keras_imas.files.whole_file import whole_file


def cached(examples, where):
    """Make a `load` and a `fetch` that decode an image once.

    Args:
        examples: `keras_imas.data.Examples` of files.
        where: "memory", or a directory.

    Returns:
        Two functions, like `examples.load` and `examples.fetch`.
    """
    store = {} if where == "memory" else _Directory(where, examples)
    stores = {"image": store}
    if where == "memory":
        stores["label_map"] = {}

    def fetch(index, wanted=("image", "label_map")):
        kept = {k: stores[k].get(index, None) for k in wanted if k in stores}
        kept = {key: value for key, value in kept.items() if value is not None}
        rest = tuple(key for key in wanted if key not in kept)
        example = examples.fetch(index, wanted=rest)
        if not example["problem"]:  # it must be told each time
            for key in stores.keys() & example.keys():
                stores[key][index] = _small(example[key])
        return {**example, **kept}

    return _load_from(examples, store), fetch


def _load_from(examples, store):
    """Return `examples.load`, which looks for images in the store first."""
    nothing = np.zeros((0, 0, 3), "uint8")

    def find(index):
        return store.get(int(index), nothing)

    def keep(index, image):
        if image.size:
            store[int(index)] = np.array(image)
        return image

    def load(index, wanted=("image", "label_map")):
        import tensorflow as tf

        do_not_convert = tf.autograph.experimental.do_not_convert
        rest = tuple(key for key in wanted if key != "image")
        example = dict(examples.load(index, wanted=rest))
        if "image" not in wanted:
            return example

        def decode():
            decoded = examples.load(index, wanted=("image",))
            image = tf.numpy_function(
                do_not_convert(keep), [index, decoded["image"]], tf.uint8
            )
            return image, decoded["problem"]

        image = tf.numpy_function(do_not_convert(find), [index], tf.uint8)
        example["image"], problem = tf.cond(
            tf.size(image) > 0, lambda: (image, tf.constant("")), decode
        )
        example["image"] = tf.ensure_shape(example["image"], (None, None, 3))
        example["problem"] = tf.strings.join([example["problem"], problem])
        return example

    return load


def _small(values):
    """Return whole numbers in a byte each, if they fit."""
    fit = values.size and values.min() >= 0 and values.max() <= 255
    return values.astype("uint8") if fit else values


class _Directory:
    """A dict from index to image, each in a file of its own."""

    def __init__(self, directory, examples):
        directory = user_path(directory)
        os.makedirs(directory, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):  # now, rather than hours later
            pass
        self.directory = directory
        self.files = examples.files
        self.image_range = examples.image_range
        self.full = False

    def _path(self, index):
        file = os.path.abspath(self.files[index])
        state = os.stat(file)
        key = f"{file}|{state.st_size}|{state.st_mtime_ns}"
        if self.image_range is not None:
            key += f"|{self.image_range}"
        digest = hashlib.sha256(key.encode()).hexdigest()[:32]
        return os.path.join(self.directory, f"{digest}.npy")

    def get(self, index, default):
        try:
            with open(self._path(index), "rb") as file:
                return np.load(file)
        except Exception:  # not there or not whole, which NumPy says in many ways
            return default

    def __setitem__(self, index, image):
        if self.full:
            return
        try:
            self._write(self._path(index), image)
        except OSError as error:
            self.full = True
            print(
                f"Warning: nothing more is kept in the cache {self.directory!r}, as it "
                f"can't be written: {error}",
                file=sys.stderr,
            )

    def _write(self, path, image):
        # One that a power cut damages is only decoded again.
        with whole_file(path, durable=False) as part:
            np.save(part, image)
