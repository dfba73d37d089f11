"""Train on a set of TensorFlow Datasets.

    python examples/train_tfds.py --name=oxford_iiit_pet --num_classes=3 \
      --labeled='train[:5%]' --unlabeled='train[5%:]' --val='test[:10%]'

Prepare it once before, which downloads it: tfds build oxford_iiit_pet
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app  # noqa: E402

from keras_imas.data.sources import TFDS  # noqa: E402
from keras_imas.program import Program  # noqa: E402
from keras_imas.recipe import Recipe  # noqa: E402

# As for photographs of one's own: see train_folder.py.
RECIPE = Recipe(
    warmup_steps=500, confidence_threshold=0.9, unlabeled_weight=1.0, weight_decay=1e-4
)
main = Program("tfds", TFDS, RECIPE).main

if __name__ == "__main__":
    app.run(main)
