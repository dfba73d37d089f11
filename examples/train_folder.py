"""Train on your own photographs: a few with masks, many without.

    python examples/train_folder.py --images=photos --masks=masks --num_classes=11

Every image with a mask of the same name is labeled, all others are unlabeled; or say
which are which by lists of names: --labeled=labeled.txt --unlabeled=unlabeled.txt.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app  # noqa: E402

from keras_imas.data.sources import Folder  # noqa: E402
from keras_imas.program import Program  # noqa: E402
from keras_imas.recipe import Recipe  # noqa: E402

# Small data wants a warm-up, a higher threshold and a smaller weight than the paper's.
RECIPE = Recipe(
    warmup_steps=500, confidence_threshold=0.9, unlabeled_weight=1.0, weight_decay=1e-4
)
main = Program("folder", Folder, RECIPE).main

if __name__ == "__main__":
    app.run(main)
