import os
import subprocess

import keras
import pytest

import keras_imas
from keras_imas import provenance


def test_versions():
    versions = provenance.versions()
    assert versions["keras"] == keras.__version__
    assert set(provenance.PACKAGES) < set(versions)


def test_git_revision():
    source = os.path.dirname(keras_imas.__file__)
    try:
        expected = subprocess.run(
            ["git", "-C", source, "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the source is not in a git checkout")
    assert provenance.git_revision().rstrip("+") == expected


def test_checksum_tells_splits_apart():
    splits = (
        (["a", "b"], ["c"], []),
        (["a"], ["b", "c"], []),
        (["a"], ["c"], ["b"]),
        (["a", "b"], ["d"], []),
        (["ab"], ["c"], []),
    )
    checksums = {provenance.split_checksum(*split) for split in splits}
    assert len(checksums) == len(splits)
    assert provenance.split_checksum(["b", "a"], ["c"]) in checksums
