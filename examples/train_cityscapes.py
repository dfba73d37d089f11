"""Train on Cityscapes, or on the built-in scenes where Cityscapes is not at hand.

    python examples/train_cityscapes.py
    python examples/train_cityscapes.py --data_dir=cityscapes --weights=resnet50.pth \
      --flagfile=examples/flagfiles/cityscapes_1_16_os16.flags

With --data_dir (the directory of leftImg8bit and gtFine) the defaults are the paper's;
without it they are made for a few minutes on two cores, and --help does not show them.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app  # noqa: E402

from keras_imas.runs.flags import parse_flags  # noqa: E402
from keras_imas.runs.program import Program  # noqa: E402
from keras_imas.runs.recipe import Recipe  # noqa: E402
from keras_imas.runs.sources import Cityscapes  # noqa: E402

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
main = Program("cityscapes", Cityscapes, PAPER, demo=SCENES).main

if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
