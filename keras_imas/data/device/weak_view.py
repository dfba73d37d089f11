"""The weak view on the device: threads cut windows out, the device scales them."""

import dataclasses
import math

import numpy as np
from keras import ops

from keras_imas.augment.weak import nearest

_NOWHERE = -1e6  # the place of padding, beyond the reach of all pixels


@dataclasses.dataclass(frozen=True)
class WeakView:
    """Scale, flip and crop, as `keras_imas.augment.weak.weak_view` does, in two halves.

    `cut` takes out of an image the window that a crop shows, and tells of each row and
    column of the crop where in the window it is. `scale` interpolates there, a batch
    at a time, on the device.

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
        for size in sizes:
            for axis, (side, crop) in enumerate(zip(size, self.crop_size, strict=True)):
                # The scale, rounded to a whole number of pixels.
                low = min(max(side * self.scale_range[0] - 0.5, 1.0) / side, 1.0)
                window = min(side, math.ceil((crop + 2) / low) + 2)
                sides[axis] = max(sides[axis], window)
        height, width = self.crop_size
        return {
            "window": ((*sides, 3), "uint8"),
            "rows": ((height,), "float32"),
            "columns": ((width,), "float32"),
            "reach": ((2,), "float32"),
            "extent": ((2,), "float32"),
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
        for axis in range(2):
            start, stop = self._centers(place, axis, into)
            slices.append(slice(start, stop))
            into["extent"][axis] = stop - start
        window = image[tuple(slices)]
        if into["window"].dtype.kind == "f":  # what no weight falls on may be NaN
            into["window"][:] = 0
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
            nearest(
                place.corner[axis] + np.arange(place.size[axis]),
                side,
                place.scaled[axis],
            )
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

    def _centers(self, place, axis, into):
        """Write where in the window a crop's rows or columns are; return its ends."""
        original, scaled = int(place.original[axis]), int(place.scaled[axis])
        count = int(place.size[axis])
        step = original / scaled
        reach = max(step, 1.0)
        center = (place.corner[axis] + np.arange(count) + 0.5) * step
        start = max(math.ceil(center[0] - reach - 0.5), 0)
        stop = min(math.floor(center[-1] + reach - 0.5) + 1, original)
        into["reach"][axis] = reach
        centers = into[("rows", "columns")[axis]]
        centers[:count], centers[count:] = center - start, _NOWHERE
        if place.mirrored and axis == 1:
            centers[:count] = centers[:count][::-1].copy()
        return start, stop

    def scale(self, window, rows, columns, reach, extent, size):
        """Make the crops of a batch.

        Args:
            window: `(B, H, W, 3)` tensor, as all that follow from `cut`.
            rows: `(B, h)` float32 tensor.
            columns: `(B, w)` float32 tensor.
            reach: `(B, 2)` float32 tensor.
            extent: `(B, 2)` float32 tensor.
            size: `(B, 2)` int32 tensor.

        Returns:
            `(images, valid)`: `(B, h, w, 3)` float32, 0..255, and `(B, h, w)` float32,
            1 for the image and 0 for padding.
        """
        batch, window_height, window_width, _ = window.shape
        height, width = self.crop_size
        # Products with a matrix for the rows and one for the columns: on all devices
        # faster than picking the few pixels that have a weight.
        weights = _weights(rows, reach[:, :1], extent[:, :1], window_height)
        window = ops.reshape(window, (batch, window_height, window_width * 3))
        image = ops.matmul(weights, ops.cast(window, "float32"))
        image = ops.reshape(image, (batch, height, window_width, 3))
        image = ops.reshape(
            ops.transpose(image, (0, 1, 3, 2)), (batch, height * 3, window_width)
        )
        weights = _weights(columns, reach[:, 1:], extent[:, 1:], window_width)
        image = ops.matmul(image, ops.transpose(weights, (0, 2, 1)))
        image = ops.reshape(image, (batch, height, 3, width))
        image = ops.transpose(image, (0, 1, 3, 2))
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


def _weights(centers, reach, extent, pixels):
    """Return what each pixel of a window weighs in each row or column of the crop.

    Bilinear, antialiased: the kernel is a triangle as wide as two pixels of the image
    or of the scaled image, whichever is wider.

    Args:
        centers: `(B, n)` float32 tensor, in pixels of the window.
        reach: `(B, 1)` float32 tensor, half of the triangle.
        extent: `(B, 1)` float32 tensor, the pixels that are filled.
        pixels: number of pixels of the window, N.

    Returns:
        `(B, n, N)` float32 tensor; rows sum to 1, those of padding are 0.
    """
    pixel = ops.arange(pixels, dtype="float32")
    filled = ops.cast(pixel[None] < extent, "float32")[:, None]
    distance = ops.abs(pixel + 0.5 - centers[..., None]) / reach[..., None]
    weights = ops.relu(1.0 - distance) * filled
    total = ops.sum(weights, axis=-1, keepdims=True)
    return weights / (total + ops.cast(total == 0, "float32"))
