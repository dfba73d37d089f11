"""The data sets that the programs train on, by the name of their program."""

from keras_imas.runs.sources.camvid import CamVid
from keras_imas.runs.sources.cityscapes import Cityscapes
from keras_imas.runs.sources.folder import Folder
from keras_imas.runs.sources.source import Source
from keras_imas.runs.sources.tfds import TFDS
from keras_imas.runs.sources.voc import VOC

SOURCES = {
    "folder": Folder,
    "cityscapes": Cityscapes,
    "voc": VOC,
    "camvid": CamVid,
    "tfds": TFDS,
}

__all__ = ["SOURCES", "TFDS", "VOC", "CamVid", "Cityscapes", "Folder", "Source"]
