import numpy as np
import pyarrow
import pyarrow.parquet

from keras_imas.runs.hardness_table import HardnessTable, read_hardness


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
