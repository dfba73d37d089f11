"""The colors of ImageNet: what its networks expect, and what padding looks like."""

MEAN = (0.485, 0.456, 0.406)
"""Mean RGB, in [0, 1]."""

STANDARD_DEVIATION = (0.229, 0.224, 0.225)
"""Standard deviation of RGB, in [0, 1]."""

MEAN_COLOR = tuple(round(255 * channel) for channel in MEAN)
"""Mean RGB, 0..255, in whole numbers: the color of padding."""
