r"""Train on Cityscapes, or on built-in street scenes without it.

    keras-imas train cityscapes
    keras-imas train cityscapes --data_dir=cityscapes --weights=resnet50.pth \
      --recipe=cityscapes_1_16_os16

With --data_dir (the directory of leftImg8bit and gtFine) the defaults are the paper's.
Without it they are for a few minutes on two cores, and --help does not show them.
"""

from keras_imas.runs.program import Program
from keras_imas.runs.recipe import Recipe
from keras_imas.runs.sources import Cityscapes

PAPER = Recipe(
    backbone="resnet50_deep_stem",
    multi_grid=(1, 2, 4),
    auxiliary_head=True,
    sync_batch_norm=True,
    crop_size=769,
    labeled_batch_size=16,
    unlabeled_batch_size=16,
    epochs=240,
    background_class=0,
    pairing_group_size=4,
    ohem_min_kept=100_000,
    ohem_group_size=4,
    window=769,
)
SCENES = Recipe(
    weights="none",
    crop_size=97,
    steps=300,
    warmup_steps=60,
    learning_rate=0.1,
    confidence_threshold=0.9,
    unlabeled_weight=1.0,
    ema_decay=0.99,
    weight_decay=1e-4,
    evaluate_every=1,
)
PROGRAM = Program("cityscapes", Cityscapes, PAPER, demo=SCENES)
define, prepare, main = PROGRAM.define, PROGRAM.prepare, PROGRAM.main
FIRST = PROGRAM.first_flags("data_dir", "labeled_share", "labeled")
