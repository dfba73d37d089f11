import pytest

from keras_imas.runs import run_directory
from keras_imas.runs.new_directory import claim_directory, unused_directory


def test_unused_directory_counts_on(tmp_path):
    prefix = str(tmp_path / "run")
    assert unused_directory(prefix) == f"{prefix}-1"
    (tmp_path / "run-1").mkdir()
    assert unused_directory(prefix) == f"{prefix}-2"


def test_unused_directory_is_the_one_that_a_later_command_resumes(tmp_path):
    prefix = str(tmp_path / "run")
    (tmp_path / "run-2").mkdir()  # the first was removed
    run_directory.write(tmp_path / "run-2", {"finished": True})
    new = unused_directory(prefix)
    claim_directory(new)
    configuration = {"settings": {"steps": 5}}
    run_directory.write(new, {"finished": False, "configuration": configuration})
    assert run_directory.latest_unfinished(prefix, {"steps": 5}) == new


def test_only_what_is_empty_is_claimed(tmp_path):
    claim_directory(str(tmp_path / "parent" / "run"))
    assert (tmp_path / "parent" / "run").is_dir()
    claim_directory(str(tmp_path / "parent" / "run"))
    with pytest.raises(FileExistsError, match="parent' is not empty"):
        claim_directory(str(tmp_path / "parent"))
    claim_directory(str(tmp_path / "parent"), besides=["run"])
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match="is not empty"):
        claim_directory(str(tmp_path / "file"))
