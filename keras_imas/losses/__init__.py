"""Losses: consistency with pseudo labels, cross-entropy, hard example mining."""

from keras_imas.losses.consistency import (
    consistency_loss,
    consistency_losses,
    consistency_of_views,
    weight_at,
)
from keras_imas.losses.crossentropy import Crossentropy
from keras_imas.losses.keras_loss import KerasLoss, loss_over_label_maps
from keras_imas.losses.ohem_crossentropy import OHEMCrossentropy

__all__ = [
    "Crossentropy",
    "KerasLoss",
    "OHEMCrossentropy",
    "consistency_loss",
    "consistency_losses",
    "consistency_of_views",
    "loss_over_label_maps",
    "weight_at",
]
