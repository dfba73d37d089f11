r"""Train on PASCAL VOC 2012, with the labels of SBD if they are there.

    keras-imas train voc --data_dir=VOCdevkit/VOC2012 --labeled=labeled.txt \
      --weights=resnet50.pth --recipe=voc_classic_92_r50

The defaults are the paper's. Lists hold one id per line, such as 2007_000032.
"""

from keras_imas.runs.program import Program
from keras_imas.runs.recipe import Recipe
from keras_imas.runs.sources import VOC

PAPER = Recipe(
    backbone="resnet50_deep_stem",
    multi_grid=(1, 2, 4),
    sync_batch_norm=True,
    crop_size=513,
    labeled_batch_size=16,
    unlabeled_batch_size=16,
    epochs=80,
    learning_rate=0.001,
    decoder_multiplier=10.0,
    weight_decay=1e-4,
    confidence_threshold=0.95,
    background_class=0,
    pairing_group_size=4,
)
PROGRAM = Program("voc", VOC, PAPER)
define, prepare, main = PROGRAM.define, PROGRAM.prepare, PROGRAM.main
FIRST = PROGRAM.first_flags("data_dir", "labeled", "labeled_count", "protocol", "train")
