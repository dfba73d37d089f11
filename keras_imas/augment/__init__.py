"""Augmentation: the views of the unlabeled images and how they are mixed."""

from keras_imas.augment.cutmix import (
    boxes_from_draws,
    cutmix_partners,
    paste,
    sample_boxes,
)
from keras_imas.augment.intensity import blend

__all__ = ["blend", "boxes_from_draws", "cutmix_partners", "paste", "sample_boxes"]
