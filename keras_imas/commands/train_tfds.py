r"""Train on a data set of TensorFlow Datasets.

    keras-imas train tfds --name=oxford_iiit_pet --num_classes=3 \
      --labeled='train[:5%]' --unlabeled='train[5%:]' --val='test[:10%]'

Download and prepare it once before: tfds build oxford_iiit_pet
"""

from keras_imas.runs.program import Program
from keras_imas.runs.recipe import SMALL_DATA
from keras_imas.runs.sources import TFDS

PROGRAM = Program("tfds", TFDS, SMALL_DATA)
define, prepare, main = PROGRAM.define, PROGRAM.prepare, PROGRAM.main
FIRST = PROGRAM.first_flags(
    "name", "labeled", "unlabeled", "val", "num_classes", "image_size"
)
