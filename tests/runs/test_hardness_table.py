import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from keras_imas.runs.hardness_table import HardnessTable, read_hardness
from keras_imas.runs.read_run import read_run


def test_reads_a_run_that_goes_on(tmp_path, write_run):
    run = read_run(write_run(tmp_path / "mine"))
    assert run.name == "mine" and not run.finished
    assert run.column("loss") == ([1, 2], [1.0, 0.5])
    assert run.column("nothing") == ([], [])
    table = run.hardness
    assert table.images.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(
        table.scores["hardness"], [[0.9, 0.5, np.nan], [0.2, 0.6, 0.4]], rtol=1e-6
    )
    np.testing.assert_allclose(table.last(), [0.2, 0.6, 0.4], rtol=1e-6)
    np.testing.assert_allclose(table.change(), [-0.7, 0.1, np.nan], atol=1e-6)


def test_names_what_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="no run.json"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        read_run(tmp_path)


def test_hardness_of_one_epoch_is_a_table_too(tmp_path):
    table = pyarrow.table({"epoch": [1], "image": ["a"], "hardness": [0.5]})
    pyarrow.parquet.write_table(table, tmp_path / "hardness.parquet")
    assert read_hardness(tmp_path / "hardness.parquet").change().tolist() == [0]


def test_recent_hardness_is_a_mean_of_what_was_seen():
    hardness = np.full((7, 3), 0.5, "float32")
    hardness[5:] = [[0.2, np.nan, np.nan], [0.4, 0.3, np.nan]]
    table = HardnessTable(np.arange(7), np.array(["a", "b", "c"]), {})
    table.scores["hardness"] = hardness
    assert table.recent_epochs == 2
    # "c" was not seen of late: what it had before.
    np.testing.assert_allclose(table.recent(), [0.3, 0.3, 0.5], rtol=1e-6)
    for epochs, few in ((1, 1), (5, 1), (35, 10), (200, 10)):
        table = HardnessTable(np.arange(epochs), table.images, {})
        assert table.recent_epochs == few
