"""Train on CamVid, in the directory layout of SegNet's tutorial.

    keras-imas train camvid --data_dir=CamVid --image_size=180,240

The images of the tutorial are 360 x 480; --image_size makes them smaller when read.
"""

from keras_imas.runs.program import Program
from keras_imas.runs.recipe import SMALL_DATA
from keras_imas.runs.sources import CamVid

PROGRAM = Program("camvid", CamVid, SMALL_DATA)
define, prepare, main = PROGRAM.define, PROGRAM.prepare, PROGRAM.main
FIRST = PROGRAM.first_flags("data_dir", "image_size", "labeled", "labeled_share")
