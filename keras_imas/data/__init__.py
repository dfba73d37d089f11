"""Data: from files, arrays and TFDS to the batches that `IMAS` trains on.

Importing this package does not import TensorFlow; its functions do.
"""

from keras_imas.data import camvid, cityscapes, landscapes, scenes, splits, voc
from keras_imas.data.as_examples import as_examples
from keras_imas.data.classes import ClassTable, read_class_table
from keras_imas.data.evaluation import evaluation
from keras_imas.data.examples import Examples
from keras_imas.data.fingerprint import fingerprint
from keras_imas.data.folder import from_folder, with_masks
from keras_imas.data.preflight import check, check_labels
from keras_imas.data.problems import collected
from keras_imas.data.semi_supervised import semi_supervised, supervised
from keras_imas.data.subset import subset
from keras_imas.data.tfds import from_tfds

__all__ = [
    "ClassTable",
    "Examples",
    "as_examples",
    "camvid",
    "check",
    "check_labels",
    "cityscapes",
    "collected",
    "evaluation",
    "fingerprint",
    "from_folder",
    "from_tfds",
    "landscapes",
    "read_class_table",
    "scenes",
    "semi_supervised",
    "splits",
    "subset",
    "supervised",
    "voc",
    "with_masks",
]
