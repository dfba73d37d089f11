"""Train on your own photographs: a few with masks, many without.

    keras-imas train folder --images=photos --masks=masks --num_classes=11

Every image with a mask of the same name is labeled, all others are unlabeled. Or list
the names of both: --labeled=labeled.txt --unlabeled=unlabeled.txt. Unless you pass
them, crop size, smallest scale, batch sizes, steps, warm-up and window (with a DINO
encoder also optimizer and learning rate) are derived from the images, and printed.
"""

from keras_imas.runs.program import Program
from keras_imas.runs.recipe import SMALL_DATA
from keras_imas.runs.sources import Folder

PROGRAM = Program("folder", Folder, SMALL_DATA, from_data=True)
define, prepare, main = PROGRAM.define, PROGRAM.prepare, PROGRAM.main
FIRST = PROGRAM.first_flags(
    "images",
    "masks",
    "num_classes",
    "classes",
    "val_images",
    "val_masks",
    "image_size",
    "ignore_class",
)
