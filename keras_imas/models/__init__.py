"""Segmentation networks."""

from keras_imas.models.backbones import BACKBONES, dilated_backbone
from keras_imas.models.complementary_dropout import ComplementaryDropout
from keras_imas.models.deeplab_v3_plus import deeplab_v3_plus

__all__ = [
    "BACKBONES",
    "ComplementaryDropout",
    "deeplab_v3_plus",
    "dilated_backbone",
]
