"""Train on CamVid, in the directories of SegNet's tutorial.

python examples/train_camvid.py --data_dir=CamVid --image_size=180,240
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app  # noqa: E402

from keras_imas.data.sources import CamVid  # noqa: E402
from keras_imas.program import Program  # noqa: E402
from keras_imas.recipe import Recipe  # noqa: E402

# As for photographs of one's own: see train_folder.py.
RECIPE = Recipe(
    warmup_steps=500, confidence_threshold=0.9, unlabeled_weight=1.0, weight_decay=1e-4
)
main = Program("camvid", CamVid, RECIPE).main

if __name__ == "__main__":
    app.run(main)
