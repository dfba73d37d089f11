import os
import subprocess

import keras
import pytest

import keras_imas
from keras_imas.runs import provenance


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
        {"labeled": ["a", "b"], "unlabeled": ["c"]},
        {"labeled": ["a"], "unlabeled": ["b", "c"]},
        {"labeled": ["a"], "unlabeled": ["c"], "validation": ["b"]},
        {"labeled": ["a", "b"], "unlabeled": ["d"]},
        {"labeled": ["ab"], "unlabeled": ["c"]},
    )
    checksums = {provenance.split_checksum(**split) for split in splits}
    assert len(checksums) == len(splits)
    again = provenance.split_checksum(unlabeled=["c"], labeled=["b", "a"])
    assert again in checksums
