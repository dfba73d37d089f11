"""Train on your own photographs: a few with masks, many without.

    python examples/train_folder.py --images=photos --masks=masks --num_classes=11

Every image with a mask of the same name is labeled, all others are unlabeled; or say
which are which by lists of names: --labeled=labeled.txt --unlabeled=unlabeled.txt.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app  # noqa: E402

from keras_imas.runs.flags import parse_flags  # noqa: E402
from keras_imas.runs.program import Program  # noqa: E402
from keras_imas.runs.recipe import SMALL_DATA  # noqa: E402
from keras_imas.runs.sources import Folder  # noqa: E402

main = Program("folder", Folder, SMALL_DATA).main

if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
