"""Train on a set of TensorFlow Datasets.

    python examples/train_tfds.py --name=oxford_iiit_pet --num_classes=3 \
      --labeled='train[:5%]' --unlabeled='train[5%:]' --val='test[:10%]'

Prepare it once before, which downloads it: tfds build oxford_iiit_pet
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app  # noqa: E402

from keras_imas.runs.flags import parse_flags  # noqa: E402
from keras_imas.runs.program import Program  # noqa: E402
from keras_imas.runs.recipe import SMALL_DATA  # noqa: E402
from keras_imas.runs.sources import TFDS  # noqa: E402

main = Program("tfds", TFDS, SMALL_DATA).main

if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
