"""Metrics: mean intersection over union, Keras' own over label maps, image means."""

from keras_imas.metrics.image_means import ImageMeans
from keras_imas.metrics.keras_metric import KerasMetric, metrics_over_label_maps
from keras_imas.metrics.mean_iou import MeanIoU, iou_per_class

__all__ = [
    "ImageMeans",
    "KerasMetric",
    "MeanIoU",
    "iou_per_class",
    "metrics_over_label_maps",
]
