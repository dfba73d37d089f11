import os

import pytest

from keras_imas.files import lock
from keras_imas.files.whole_file import whole_file
from keras_imas.runs import run_directory


def test_a_directory_is_of_one_run(tmp_path):
    path, configuration = str(tmp_path / "run"), {"recipe": {"steps": 1, "grid": (1,)}}
    claimed, run = run_directory.claimed, {"finished": False}
    with claimed(path, configuration) as unfinished:
        assert unfinished is None
        run_directory.write(path, {**run, "configuration": configuration})
        message = f"use by process {os.getpid()} on"
        with pytest.raises(FileExistsError, match=message), claimed(path, {}):
            pass
    with claimed(path, configuration) as unfinished:
        assert unfinished["configuration"]["recipe"] == {"steps": 1, "grid": [1]}
    other = {"recipe": {"steps": 2, "grid": (1,)}}
    with pytest.raises(FileExistsError, match=r"configuration: recipe.steps was 1, is"):
        with claimed(path, other):
            pass
    run_directory.write(path, {"finished": True, "configuration": configuration})
    with pytest.raises(FileExistsError, match="it holds a finished run"):
        with claimed(path, configuration):
            pass
    assert os.listdir(path) == ["run.json"]


def test_an_unfinished_run_is_found_by_its_settings(tmp_path):
    prefix = str(tmp_path / "run")
    settings = {"steps": 5, "sizes": (1, 2)}
    for number, finished in ((2, False), (9, True), (10, False)):
        (tmp_path / f"run-{number}").mkdir()
        run_directory.write(
            f"{prefix}-{number}",
            {"finished": finished, "configuration": {"settings": settings}},
        )
    (tmp_path / "run-x").mkdir()
    found = run_directory.latest_unfinished
    assert found(prefix, settings) == f"{prefix}-10"
    assert found(prefix, {**settings, "steps": 6}) is None
    with lock.locked(f"{prefix}-10"):
        assert found(prefix, settings) is None
    (tmp_path / "run-10" / "run.json").unlink()
    assert found(prefix, settings) is None
    run_directory.write(f"{prefix}-10", {"finished": False})  # another program's
    assert found(prefix, settings) is None and found(prefix, None) is None


def test_what_a_killed_process_has_left_is_removed(tmp_path):
    path = str(tmp_path / "run")
    with run_directory.claimed(path, {}):
        run_directory.write(path, {"finished": False, "configuration": {}})
    for begun in (True, False):  # a run that has written its run.json, and one before
        if not begun:
            (tmp_path / "run" / "run.json").unlink()
        for name in lock.FILES:
            (tmp_path / "run" / name).write_text("")
        with whole_file(tmp_path / "run" / "teacher_best.keras") as part:
            left = os.path.basename(part)
            open(part, "w").close()
        (tmp_path / "run" / "teacher_best.keras").rename(tmp_path / "run" / left)
        with run_directory.claimed(path, {}) as unfinished:
            assert (unfinished is not None) == begun
        assert os.listdir(path) == ["run.json"] * begun
