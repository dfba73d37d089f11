import base64
import io
import json

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

RUN = {
    "recipe": {"method": "imas", "seed": 0, "confidence_threshold": 0.5},
    "backend": "jax",
    "labeled": 2,
    "unlabeled": 3,
    "class_names": ["road", "a<b"],
    "colors": [[1, 2, 3], [4, 5, 6]],
    "ignore_class": 255,
}
# By epoch: image "c" was not seen in the first.
HARDNESS = {1: {"a": 0.9, "b": 0.5}, 2: {"a": 0.2, "b": 0.6, "c": 0.4}}


def write_run(directory, hardness=HARDNESS, **facts):
    """Write a run as training does."""
    directory.mkdir()
    (directory / "run.json").write_text(json.dumps({**RUN, **facts}))
    lines = [
        {
            "epoch": epoch,
            "loss": 1 / epoch,
            "val_mean_iou": 0.1 * epoch,
            "val_student_mean_iou": 0.1,
            "iou": {"teacher": [0.5, None], "student": [0.4, None]},
        }
        for epoch in (1, 2)
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    # Training goes on, and the last line is not all written.
    (directory / "history.jsonl").write_text(text + '{"epoch": 3, "lo')
    rows = [
        {"epoch": epoch, "image": image, "hardness": value, "teacher_iou": 0.5}
        for epoch, images in hardness.items()
        for image, value in images.items()
    ]
    table = pyarrow.Table.from_pylist(rows)
    pyarrow.parquet.write_table(table, directory / "hardness.parquet")
    return directory


@pytest.fixture(name="write_run")
def _write_run():
    return write_run


def decoded(address):
    """Return the pixels of a `data:` address."""
    content = base64.b64decode(address.split(",", 1)[1])
    return np.array(Image.open(io.BytesIO(content)).convert("RGB"))


@pytest.fixture(name="decoded")
def _decoded():
    return decoded
