import json

import pyarrow
import pyarrow.parquet
import pytest

from keras_imas.runs import read_run


@pytest.fixture
def directory(tmp_path):
    """A run of one epoch and one image."""
    (tmp_path / "run.json").write_text(json.dumps({"finished": True}))
    (tmp_path / "history.jsonl").write_text('{"epoch": 1, "loss": 0.5}\n')
    rows = [{"epoch": 1, "image": "a", "hardness": 0.9}]
    table = pyarrow.Table.from_pylist(rows)
    pyarrow.parquet.write_table(table, tmp_path / "hardness.parquet")
    return tmp_path


def test_reads_what_a_run_has_left(directory):
    run = read_run(directory)
    assert run.name == directory.name and run.finished
    assert run.column("loss") == ([1], [0.5])
    assert run.hardness.images.tolist() == ["a"]


def test_a_run_that_has_just_begun_has_no_history(directory):
    (directory / "history.jsonl").unlink()
    (directory / "hardness.parquet").unlink()
    run = read_run(directory)
    assert run.history == [] and run.hardness is None


def test_names_what_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="no run.json"):
        read_run(tmp_path)


@pytest.mark.parametrize("name", ["run.json", "history.jsonl", "hardness.parquet"])
def test_names_the_file_that_is_damaged(name, directory):
    content = (directory / name).read_bytes()
    (directory / name).write_bytes(content[:-5] + b"\n")
    with pytest.raises(ValueError, match=rf"{name}' is damaged"):
        read_run(directory)


def test_what_holds_no_object_is_damaged(directory):
    (directory / "run.json").write_text("[1]")
    with pytest.raises(ValueError, match=r"run.json' is damaged: .*list"):
        read_run(directory)
