"""The weak view on the device: threads cut windows out, the device scales them."""

import dataclasses
import math

import numpy as np
from keras import ops


@dataclasses.dataclass(frozen=True)
class WeakView:
    """Scale, flip and crop, as `keras_imas.augment.weak.weak_view` does, in two halves.

    `cut` takes out of an image what a crop shows of it, and tells of each row and
    column of the crop which of the window's it is the weighted mean of. `scale` takes
    the means, of a batch on the device.

    Attributes:
        crop_size: `(height, width)` of the crop.
        scale_range: `(low, high)` of the scale.
        flip: whether to mirror half of the images.
        padding_color: RGB value of padding.
        ignore_class: id of padding in label maps.
    """

    crop_size: tuple
    scale_range: tuple
    flip: bool
    padding_color: tuple
    ignore_class: int

    def shapes(self, sizes):
        """Return the shapes of what `cut` returns of an image, whichever it is.

        Args:
            sizes: the `(height, width)` of all images.

        Returns:
            Dict of `(shape, dtype)`.
        """
        sides = [1, 1]
        taps = 2
        for size in sizes:
            for axis, (side, crop) in enumerate(zip(size, self.crop_size, strict=True)):
                # The scale, rounded to a whole number of pixels.
                low = min(max(side * self.scale_range[0] - 0.5, 1.0) / side, 1.0)
                reach = 1.0 / low
                taps = max(taps, math.ceil(2 * reach))
                window = min(side, math.ceil(crop * reach + 2 * reach) + 2)
                sides[axis] = max(sides[axis], window)
        height, width = self.crop_size
        return {
            "window": ((*sides, 3), "uint8"),
            "rows": ((height, taps), "int32"),
            "row_weights": ((height, taps), "float32"),
            "columns": ((width, taps), "int32"),
            "column_weights": ((width, taps), "float32"),
            "size": ((2,), "int32"),
        }

    def cut(self, image, draws, into):
        """Take what a crop shows out of an image.

        Args:
            image: `(H, W, 3)` array.
            draws: 4 float32 numbers in [0, 1): scale, mirroring, row and column.
            into: dict of arrays of `shapes`, which are written.

        Returns:
            `Place`, for the label map.
        """
        place = self._place(image.shape[:2], draws)
        slices = []
        for axis, (index, weights) in enumerate(
            (("rows", "row_weights"), ("columns", "column_weights"))
        ):
            start, stop = _means(place, axis, into[index], into[weights])
            slices.append(slice(start, stop))
        window = image[tuple(slices)]
        into["window"][: window.shape[0], : window.shape[1]] = window
        into["size"][:] = place.size
        return place

    def cut_label_map(self, label_map, place, into):
        """Scale, flip and crop a label map, nearest, which costs next to nothing.

        Args:
            label_map: `(H, W)` integer array.
            place: what `cut` returned for its image.
            into: `(h, w)` array, which is written.
        """
        rows, columns = (
            ((2 * (place.corner[axis] + np.arange(place.size[axis])) + 1) * side)
            // (2 * place.scaled[axis])
            for axis, side in enumerate(label_map.shape)
        )
        if place.mirrored:
            columns = columns[::-1]
        into[:] = self.ignore_class
        into[: len(rows), : len(columns)] = label_map[rows][:, columns]

    def _place(self, original, draws):
        low, high = np.float32(self.scale_range[0]), np.float32(self.scale_range[1])
        scale = low + draws[0] * (high - low)
        original = np.asarray(original)
        scaled = np.maximum(np.round(original.astype("float32") * scale), 1).astype(int)
        mirrored = bool(self.flip and draws[1] < 0.5)
        size = np.minimum(scaled, self.crop_size)
        room = (scaled - size + 1).astype("float32")
        corner = np.minimum((draws[2:4] * room).astype(int), scaled - size)
        if mirrored:  # the mirrored image's crop is the crop at the mirrored place
            corner[1] = scaled[1] - size[1] - corner[1]
        return Place(original, scaled, corner, size, mirrored)

    def scale(self, window, rows, row_weights, columns, column_weights, size):
        """Make the crops of a batch.

        Args:
            window: `(B, H, W, 3)` tensor, as all that follow from `cut`.
            rows: `(B, h, taps)` int32 tensor.
            row_weights: `(B, h, taps)` float32 tensor.
            columns: `(B, w, taps)` int32 tensor.
            column_weights: `(B, w, taps)` float32 tensor.
            size: `(B, 2)` int32 tensor.

        Returns:
            `(images, valid)`: `(B, h, w, 3)` float32, 0..255, and `(B, h, w)` float32,
            1 for the image and 0 for padding.
        """
        height, width = self.crop_size
        image = _mean_of_rows(window, rows, row_weights)
        image = _mean_of_rows(
            ops.transpose(image, (0, 2, 1, 3)), columns, column_weights
        )
        image = ops.transpose(image, (0, 2, 1, 3))
        inside = [
            ops.cast(ops.arange(side, dtype="int32") < size[:, axis, None], "float32")
            for axis, side in enumerate((height, width))
        ]
        valid = inside[0][:, :, None] * inside[1][:, None, :]
        color = ops.convert_to_tensor(np.asarray(self.padding_color, "float32"))
        return image + (1.0 - valid)[..., None] * color, valid


@dataclasses.dataclass(frozen=True)
class Place:
    """Where in an image a crop is.

    Attributes:
        original: height and width of the image.
        scaled: height and width of the scaled image.
        corner: the crop's first row and column in the scaled image.
        size: height and width of what is no padding.
        mirrored: whether the crop is mirrored.
    """

    original: np.ndarray
    scaled: np.ndarray
    corner: np.ndarray
    size: np.ndarray
    mirrored: bool


def _means(place, axis, index, weights):
    """Write which pixels a crop's rows or columns are the weighted means of.

    Bilinear, antialiased: the kernel is a triangle as wide as two pixels of the image
    or of the scaled image, whichever is wider. Padding has no weight.

    Args:
        place: `Place`.
        axis: 0 for rows, 1 for columns.
        index: `(length, taps)` array, which is written, from the window's start.
        weights: the same.

    Returns:
        `(start, stop)` of the window.
    """
    original, scaled = int(place.original[axis]), int(place.scaled[axis])
    count, taps = int(place.size[axis]), index.shape[1]
    step = original / scaled
    reach = max(step, 1.0)
    center = (place.corner[axis] + np.arange(count) + 0.5) * step
    first = np.ceil(center - reach - 0.5).astype(int)
    pixel = first[:, None] + np.arange(taps)
    weight = 1.0 - np.abs(pixel + 0.5 - center[:, None]) / reach
    weight[(pixel < 0) | (pixel >= original) | (weight < 0)] = 0
    weight /= weight.sum(axis=1, keepdims=True)
    start, stop = max(int(pixel[0, 0]), 0), min(int(pixel[-1, -1]) + 1, original)
    pixel = np.clip(pixel, start, stop - 1) - start
    if place.mirrored and axis == 1:
        pixel, weight = pixel[::-1], weight[::-1]
    index[:count], index[count:] = pixel, 0
    weights[:count], weights[count:] = weight, 0
    return start, stop


def _mean_of_rows(images, rows, weights):
    """Return weighted means of whole rows, `(B, h, W, 3)`, in float32."""
    batch, height, width, channels = images.shape
    flat = ops.reshape(images, (batch * height, width * channels))
    first = ops.arange(batch, dtype="int32")[:, None] * height
    total = 0.0
    for tap in range(rows.shape[-1]):
        taken = ops.take(flat, rows[:, :, tap] + first, axis=0)
        total = total + ops.cast(taken, "float32") * weights[:, :, tap, None]
    return ops.reshape(total, (batch, rows.shape[1], width, channels))
