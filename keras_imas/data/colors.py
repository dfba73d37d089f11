"""Colors for classes that have none."""

import numpy as np


def default_colors(num_classes):
    """Return well separated colors, those of the PASCAL VOC palette.

    Args:
        num_classes: Number of colors.

    Returns:
        uint8 array `(num_classes, 3)`.

    Example:
        >>> default_colors(3).tolist()
        [[128, 0, 0], [0, 128, 0], [128, 128, 0]]
    """
    colors = np.zeros((num_classes, 3), "uint8")
    for index in range(num_classes):
        bits = index + 1  # 0 would be black, which is "ignored" here
        for shift in range(7, -1, -1):
            for channel in range(3):
                colors[index, channel] |= (bits >> channel & 1) << shift
            bits >>= 3
    return colors
