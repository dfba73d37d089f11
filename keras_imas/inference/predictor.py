"""Predict the class probabilities of images of any size."""

import collections
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

import keras
import numpy as np
from keras import ops

from keras_imas.backends.inference import on_device
from keras_imas.backends.window_sum import WindowSum
from keras_imas.batch_checks import warn_of_image_range
from keras_imas.imagenet import MEAN_COLOR
from keras_imas.models.final_activation import check_returns_logits
from keras_imas.models.logits import full_size_logits, segmenter
from keras_imas.models.resize import resize_bilinear
from keras_imas.models.size_rule import size_rule
from keras_imas.typing import ArrayLike, Size, Tensor


class Predictor:
    """Predict the class probabilities of images of any size.

    Whole images, or a sliding window whose probabilities are averaged where windows
    overlap, the last one shifted inward. Pixels count less toward a window's edge,
    which hides seams. Predictions are also averaged over scales and mirrored images,
    if asked for. Views of one size are run together, also those of different
    images. The network is compiled once for each size of view: for one size with a
    window; without one, for each size of image, so round sizes up (`size_multiple`)
    where there are many.

    Args:
        network: Built Keras model from images to logits, as for `segmenter`.
        window: Side of the square windows in pixels, or `(height, width)`; smaller
            images are padded with the mean color of ImageNet. Defaults to `None`: the
            size that the network is built for; if it takes several, whole images.
        stride: From one window to the next, as a fraction of the window in (0, 1].
            Defaults to `2 / 3`.
        flip: Whether to average with the mirrored image. Defaults to `False`.
        scales: Factors to scale images by. Defaults to `(1.0,)`.
        batch_size: Views to run at once. Defaults to `1`.
        size_multiple: Whole images are padded to multiples of so many pixels, and of
            what the network needs. Defaults to `1`: of that alone.

    Attributes:
        segmenter: The network with one output at the images' resolution, see
            `segmenter`.

    Raises:
        ValueError: If an argument is out of range, the network has one channel or ends
            in a softmax, or it does not take windows of that size.

    Example:
        >>> layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(5, 1)]
        >>> predictor = Predictor(keras.Sequential(layers), window=33, flip=True)
        >>> images = [np.zeros((50, 40, 3)), np.zeros((20, 99, 3))]
        >>> [p.shape for p in predictor(images)]
        [(50, 40, 5), (20, 99, 5)]
    """

    def __init__(
        self,
        network: keras.Model,
        *,
        window: int | Size | None = None,
        stride: float = 2 / 3,
        flip: bool = False,
        scales: Sequence[float] = (1.0,),
        batch_size: int = 1,
        size_multiple: int = 1,
    ) -> None:
        for name, value in (
            ("window", None if window is None else int(np.min(window))),
            ("batch_size", batch_size),
            ("size_multiple", size_multiple),
        ):
            if value is not None and value < 1:
                raise ValueError(
                    f"`{name}` must be positive. Received: {name}={value!r}"
                )
        if not 0 < stride <= 1:
            raise ValueError(
                "`stride` is a fraction of the window and must be in (0, 1]. Received: "
                f"stride={stride!r}"
            )
        if not scales or min(scales) <= 0:
            raise ValueError(
                f"`scales` must be positive numbers. Received: scales={scales!r}"
            )
        check_returns_logits("network", network)
        rule = size_rule(network)
        if window is None:
            window = rule.size
        else:
            rule.check("window", np.broadcast_to(window, 2).tolist())
        self.segmenter = segmenter(network)
        self._run_network = on_device(_Probabilities(network, window is not None))
        self.window = window
        self.stride = stride
        self.flip = flip
        self.scales = tuple(scales)
        self.batch_size = batch_size
        self.size_multiple = math.lcm(size_multiple, rule.multiple)

    def __call__(self, images: Iterable[ArrayLike]) -> Iterator[np.ndarray]:
        """Predict images one after the other.

        Warn if the first is not 0..255.

        Args:
            images: Iterable of images `(H, W, 3)`, 0..255, of any sizes.

        Returns:
            Iterator of float32 arrays `(H, W, C)` of probabilities, in the images'
            order.
        """
        return map(_on_host, self.on_device(images))

    def on_device(self, images: Iterable[ArrayLike]) -> Iterator[tuple[Tensor, Size]]:
        """Predict images one after the other, and leave the result on the device.

        Args:
            images: As in `__call__`.

        Yields:
            `(probabilities, (H, W))`: a float32 tensor `(height, width, C)`, at least
            as large as the image. What is below and right of the image means nothing;
            so images of several sizes have tensors of few shapes.

        Example:
            >>> layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(5, 1)]
            >>> predictor = Predictor(keras.Sequential(layers), window=33)
            >>> for tensor, size in predictor.on_device([np.zeros((50, 40, 3))]):
            ...     print(tuple(tensor.shape), size)
            (64, 64, 5) (50, 40)
        """
        waiting, batch = collections.deque(), []
        for number, image in enumerate(images):
            if not number:
                _look_at(np.asarray(image))
            waiting.append(list(self._views(np.asarray(image, "float32"))))
            for view in waiting[-1]:
                for corner in view.corners:
                    if batch and view.window != batch[0][0].window:
                        self._run(batch)
                    batch.append((view, corner))
                    if len(batch) == self.batch_size:
                        self._run(batch)
            while waiting and not any(view.missing for view in waiting[0]):
                yield _average(waiting.popleft())
        self._run(batch)
        for views in waiting:
            yield _average(views)

    def _views(self, image):
        """Yield the views of an image: at each scale, and mirrored."""
        size = image.shape[:2]
        for scale in self.scales:
            scaled = _resize(image, [max(round(scale * side), 1) for side in size])
            if self.window is None:
                window = [
                    math.ceil(side / self.size_multiple) * self.size_multiple
                    for side in scaled.shape[:2]
                ]
            else:
                window = np.broadcast_to(self.window, 2).tolist()
            for mirrored in (False, True) if self.flip else (False,):
                pixels = scaled[:, ::-1] if mirrored else scaled
                weighted = self.window is not None
                yield _View(
                    pixels, mirrored, tuple(window), self.stride, size, weighted
                )

    def _run(self, batch):
        """Predict a batch of windows, and empty it."""
        if not batch:
            return
        pixels = np.stack([view.crop(corner) for view, corner in batch])
        # Always the same shape, as another would be compiled anew.
        missing = self.batch_size - len(batch)
        if missing:
            pixels = np.concatenate([pixels, np.repeat(pixels[-1:], missing, axis=0)])
        windows = self._run_network(pixels)
        for index, (view, corner) in enumerate(batch):
            view.add(windows, index, corner)
        batch.clear()


class _Probabilities(keras.Model):
    """A network that returns class probabilities at the images' resolution.

    Times the weights of a window's pixels, if they are `weighted`.
    """

    def __init__(self, network, weighted):
        super().__init__(dtype="float32", name="probabilities")
        self.network = network
        self.weighted = weighted
        self.built = True

    def call(self, images):
        found = ops.softmax(full_size_logits(self.network, images), axis=-1)
        if not self.weighted:
            return found
        rows, columns = map(_edge_weights, images.shape[1:3])
        return found * ops.convert_to_tensor(rows[:, None, None] * columns[:, None])


class _View:
    """An image at one scale, mirrored or not, and its probabilities so far."""

    def __init__(self, pixels, mirrored, window, stride, size, weighted):
        self.pixels = pixels
        self.mirrored = mirrored
        self.window = window
        self.size = size  # of the image that it is a view of
        self.weighted = weighted
        self.starts = [
            window_starts(side, length, stride)
            for side, length in zip(pixels.shape[:2], window, strict=True)
        ]
        self.corners = list(itertools.product(*self.starts))
        self.missing = len(self.corners)
        self.total = None

    def crop(self, corner):
        """Return the pixels of the window at a corner, padded where they end."""
        (top, left), (height, width) = corner, self.window
        pixels = self.pixels[top : top + height, left : left + width]
        if pixels.shape[:2] == self.window:
            return pixels
        padded = np.empty((height, width, pixels.shape[-1]), "float32")
        padded[:] = MEAN_COLOR
        padded[: pixels.shape[0], : pixels.shape[1]] = pixels
        return padded

    def add(self, windows, index, corner):
        """Add the probabilities of the window at a corner, one of a batch."""
        self.missing -= 1
        if len(self.corners) == 1:
            self.total = windows[index]
            return
        if self.total is None:
            # Multiples of 64, for few shapes.
            sides = (
                math.ceil(max(side, length) / 64) * 64
                for side, length in zip(self.pixels.shape[:2], self.window, strict=True)
            )
            self.total = WindowSum((*sides, windows.shape[-1]))
        self.total.add(windows, index, corner)

    def result(self):
        """Return the mean probabilities, on as many pixels as the image or more."""
        mean = self.total
        if len(self.corners) > 1:
            mean = mean.value
        if self.weighted:
            rows, columns = (
                _weights_over(side, starts, length)
                for side, starts, length in zip(
                    mean.shape[:2], self.starts, self.window, strict=True
                )
            )
            mean = mean / ops.convert_to_tensor(rows[:, None, None] * columns[:, None])
        height, width = self.pixels.shape[:2]
        if self.mirrored:
            columns = np.arange(mean.shape[1])
            columns[:width] = columns[:width][::-1]
            mean = ops.take(mean, columns, axis=1)
        if (height, width) == self.size:
            return mean
        return resize_bilinear(mean[None, :height, :width], *self.size)[0]


def _edge_weights(length):
    """Return what the pixels of a window's side weigh: at the edges the least."""
    pixels = np.arange(length, dtype="float32")
    return np.minimum(pixels + 1, length - pixels) / ((length + 1) // 2)


def _weights_over(side, starts, length):
    """Add up what each pixel of a side weighs in all windows; 1 where there is none."""
    weights, window = np.zeros(side, "float32"), _edge_weights(length)
    for start in starts:
        weights[start : start + length] += window
    return np.where(weights > 0, weights, 1)


def window_starts(side: int, window: int, stride: float = 2 / 3) -> list[int]:
    """Return where the windows of a `Predictor` start along a side of an image.

    Args:
        side: Length of the side in pixels.
        window: Side of the windows in pixels.
        stride: From one window to the next, as a fraction. Defaults to `2 / 3`.

    Returns:
        List of positions in pixels; the last window is shifted inward.

    Example:
        >>> window_starts(2048, 769)
        [0, 513, 1026, 1279]
    """
    if side <= window:
        return [0]
    step = max(math.ceil(stride * window), 1)
    return [*range(0, side - window, step), side - window]


def _look_at(image):
    """Warn of an image that is not 0..255; a nearly black one has whole numbers."""
    black = ((image == 0) | (image == 1)).all()
    if not black:
        warn_of_image_range(image, stacklevel=4)


def _average(views):
    """Return the mean of the views of an image, and the image's size."""
    height, width = views[0].size
    results = [view.result() for view in views]
    if len({tuple(result.shape) for result in results}) > 1:
        results = [result[:height, :width] for result in results]
    mean = results[0]
    if len(results) > 1:
        mean = sum(results[1:], mean) / len(results)
    return mean, (height, width)


def _on_host(found):
    probabilities, (height, width) = found
    return np.array(ops.convert_to_numpy(probabilities)[:height, :width])


def _resize(image, size):
    if image.shape[:2] == tuple(size):
        return image
    resized = resize_bilinear(ops.convert_to_tensor(image[None].copy()), *size)
    return ops.convert_to_numpy(resized)[0]
