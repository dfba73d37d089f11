"""Train on PASCAL VOC 2012, with the labels of SBD where they are there.

    python examples/train_voc.py --data_dir=VOCdevkit/VOC2012 --labeled=labeled.txt \
      --weights=resnet50.pth --flagfile=examples/flagfiles/voc_classic_92_r50.flags

The defaults are the paper's. Lists hold an id a line, such as 2007_000032.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app  # noqa: E402

from keras_imas.runs.flags import parse_flags  # noqa: E402
from keras_imas.runs.program import Program  # noqa: E402
from keras_imas.runs.recipe import Recipe  # noqa: E402
from keras_imas.runs.sources import VOC  # noqa: E402

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
main = Program("voc", VOC, PAPER).main

if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
