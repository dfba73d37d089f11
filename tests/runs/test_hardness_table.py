import numpy as np
import pyarrow
import pyarrow.parquet

from keras_imas.runs.hardness_table import HardnessTable, read_hardness


def test_reads_hardness_by_epoch_and_image(tmp_path):
    columns = {"epoch": [1, 1, 2, 2, 2], "image": list("ababc")}
    table = pyarrow.table({**columns, "hardness": [0.9, 0.5, 0.2, 0.6, 0.4]})
    pyarrow.parquet.write_table(table, tmp_path / "hardness.parquet")
    table = read_hardness(tmp_path / "hardness.parquet")
    assert table.images.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(
        table.scores["hardness"], [[0.9, 0.5, np.nan], [0.2, 0.6, 0.4]], rtol=1e-6
    )
    np.testing.assert_allclose(table.last(), [0.2, 0.6, 0.4], rtol=1e-6)
    np.testing.assert_allclose(table.change(), [-0.7, 0.1, np.nan], atol=1e-6)


def test_images_that_were_never_seen_are_not_ranked(tmp_path):
    # As `HardnessLog` writes it: with the names of all images.
    images = pyarrow.DictionaryArray.from_arrays([2, 0], ["a", "b", "c", "d"])
    table = pyarrow.table({"epoch": [1, 1], "image": images, "hardness": [0.9, 0.5]})
    pyarrow.parquet.write_table(table, tmp_path / "hardness.parquet")
    table = read_hardness(tmp_path / "hardness.parquet")
    assert table.images.tolist() == ["a", "c"]
    np.testing.assert_allclose(table.recent(), [0.5, 0.9], rtol=1e-6)
    assert table.hardest_first() == ["c", "a"]


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
