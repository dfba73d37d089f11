"""Data: from files, arrays and TFDS to the batches that `IMAS` trains on.

Importing this package does not import TensorFlow; its functions do.
"""

from keras_imas.data import cityscapes, scenes, splits, voc
from keras_imas.data.evaluation import evaluation
from keras_imas.data.examples import Examples, as_examples, check_labels
from keras_imas.data.folder import from_folder
from keras_imas.data.semi_supervised import semi_supervised, supervised

__all__ = [
    "Examples",
    "as_examples",
    "check_labels",
    "cityscapes",
    "evaluation",
    "from_folder",
    "scenes",
    "semi_supervised",
    "splits",
    "supervised",
    "voc",
]
