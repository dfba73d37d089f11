"""Train on CamVid, in the directories of SegNet's tutorial.

python examples/train_camvid.py --data_dir=CamVid --image_size=180,240
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app  # noqa: E402

from keras_imas.runs.flags import parse_flags  # noqa: E402
from keras_imas.runs.program import Program  # noqa: E402
from keras_imas.runs.recipe import SMALL_DATA  # noqa: E402
from keras_imas.runs.sources import CamVid  # noqa: E402

main = Program("camvid", CamVid, SMALL_DATA).main

if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
