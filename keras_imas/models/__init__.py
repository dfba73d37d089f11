"""Segmentation networks."""

from keras_imas.models.backbones import BACKBONES, dilated_backbone
from keras_imas.models.complementary_dropout import ComplementaryDropout
from keras_imas.models.deeplab_v3_plus import deeplab_v3_plus
from keras_imas.models.dino import DINO_ENCODERS, dino_encoder
from keras_imas.models.dpt import dpt
from keras_imas.models.vision_transformer import vision_transformer

__all__ = [
    "BACKBONES",
    "DINO_ENCODERS",
    "ComplementaryDropout",
    "deeplab_v3_plus",
    "dilated_backbone",
    "dino_encoder",
    "dpt",
    "vision_transformer",
]
