"""Predict the class probabilities of images of any size."""

import collections
import itertools
import math

import keras
import numpy as np
from keras import ops

from keras_imas.batch_checks import warn_of_image_range
from keras_imas.imagenet import MEAN_COLOR
from keras_imas.models.final_activation import check_returns_logits
from keras_imas.models.logits import full_size_logits, segmenter
from keras_imas.models.resize import resize_bilinear
from keras_imas.models.size_rule import size_rule


class Predictor:
    """Predict the class probabilities of images of any size.

    Whole images, or a sliding window whose probabilities are averaged where windows
    overlap, the last one shifted inward; averaged as well over scales and mirrored
    images, if asked for. Views of one size are run together, also those of different
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
        network,
        *,
        window=None,
        stride=2 / 3,
        flip=False,
        scales=(1.0,),
        batch_size=1,
        size_multiple=1,
    ):
        for name, value in (
            ("window", min(window) if isinstance(window, tuple) else window),
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
        self._network = _Probabilities(network)
        self.window = window
        self.stride = stride
        self.flip = flip
        self.scales = tuple(scales)
        self.batch_size = batch_size
        self.size_multiple = math.lcm(size_multiple, rule.multiple)

    def __call__(self, images):
        """Predict images one after the other.

        Warn if the first is not 0..255.

        Args:
            images: Iterable of images `(H, W, 3)`, 0..255, of any sizes.

        Yields:
            float32 arrays `(H, W, C)` of probabilities, in the images' order.
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
                yield _View(pixels, mirrored, tuple(window), self.stride, size)

    def _run(self, batch):
        """Predict a batch of windows, and empty it."""
        if not batch:
            return
        pixels = np.stack([view.crop(corner) for view, corner in batch])
        # Always the same shape, as another would be compiled anew.
        missing = self.batch_size - len(batch)
        if missing:
            pixels = np.concatenate([pixels, np.repeat(pixels[-1:], missing, axis=0)])
        for (view, corner), values in zip(
            batch, self._network.predict_on_batch(pixels), strict=False
        ):
            view.add(corner, values)
        batch.clear()


class _Probabilities(keras.Model):
    """A network that returns class probabilities at the images' resolution."""

    def __init__(self, network):
        super().__init__(dtype="float32", name="probabilities")
        self.network = network
        self.built = True

    def call(self, images):
        return ops.softmax(full_size_logits(self.network, images), axis=-1)


class _View:
    """An image at one scale, mirrored or not, and its probabilities so far."""

    def __init__(self, pixels, mirrored, window, stride, size):
        self.pixels = pixels
        self.mirrored = mirrored
        self.window = window
        self.size = size  # of the image that it is a view of
        self.starts = [
            window_starts(side, length, stride)
            for side, length in zip(pixels.shape[:2], window, strict=True)
        ]
        self.corners = list(itertools.product(*self.starts))
        self.missing = len(self.corners)
        self.total = 0.0

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

    def add(self, corner, probabilities):
        """Add the probabilities of the window at a corner."""
        height, width = self.pixels.shape[:2]
        if self.missing == len(self.corners):
            self.total = np.zeros((height, width, probabilities.shape[-1]), "float32")
        top, left = corner
        inside = probabilities[: height - top, : width - left]
        self.total[top : top + len(inside), left : left + inside.shape[1]] += inside
        self.missing -= 1

    def result(self):
        """Return the mean probabilities of each pixel of the image."""
        counts = []
        for side, starts, length in zip(
            self.pixels.shape[:2], self.starts, self.window, strict=True
        ):
            counts.append(np.zeros(side, "float32"))
            for start in starts:
                counts[-1][start : start + length] += 1
        mean = self.total
        mean /= (counts[0][:, None] * counts[1])[..., None]
        if self.mirrored:
            mean = mean[:, ::-1]
        return _resize(mean, self.size)


def window_starts(side, window, stride=2 / 3):
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
    mean = views[0].result()
    for view in views[1:]:
        mean = mean + view.result()
    return mean / len(views) if len(views) > 1 else mean


def _resize(image, size):
    if image.shape[:2] == tuple(size):
        return image
    resized = resize_bilinear(ops.convert_to_tensor(image[None].copy()), *size)
    return ops.convert_to_numpy(resized)[0]
