import os
import subprocess
import sys

import pytest

from keras_imas.files.lock import FILES, holder, locked

# Only what it needs, as importing Keras takes its time.
HOLD = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("lock", sys.argv[1])
lock = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lock)
with lock.locked(sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process, that holds the lock until its input ends."""
    source = sys.modules["keras_imas.files.lock"].__file__
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, source, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_one_holds_it_at_a_time(other, tmp_path):
    assert holder(tmp_path)["process"] == other.pid
    with pytest.raises(FileExistsError, match=f"use by process {other.pid} on .*since"):
        with locked(tmp_path):
            pass
    other.communicate(b"")
    assert holder(tmp_path) is None
    with locked(tmp_path) as left:
        assert left is None
        assert holder(tmp_path)["process"] == os.getpid()
    assert os.listdir(tmp_path) == []


def test_that_of_a_dead_process_does_not_count(other, tmp_path):
    other.kill()
    other.wait()
    assert sorted(os.listdir(tmp_path)) == ["lock", "lock.json"]
    assert holder(tmp_path) is None
    with locked(tmp_path) as left:
        assert left["process"] == other.pid


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_that_name_may_hold_anything(name, tmp_path):
    (tmp_path / name).write_text("[1]")
    with locked(tmp_path) as left:
        assert left is None
