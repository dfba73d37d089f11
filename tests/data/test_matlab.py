import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_imas.data.matlab import read_matrix

scipy_io = pytest.importorskip("scipy.io")
IDS = np.arange(35).reshape(5, 7) % 4


def written(values=IDS, compressed=False):
    file = io.BytesIO()
    boundaries = np.empty((4, 1), object)
    boundaries[:, 0] = [np.eye(3), "text", np.zeros((0, 2)), 1 + 2j]
    content = {"Boundaries": boundaries, "Segmentation": values, "Categories": [[3]]}
    scipy_io.savemat(file, {"x": 1, "GTcls": content}, do_compression=compressed)
    return file.getvalue()


def read(folder, content, max_bytes=10**6):
    path = folder / "a.mat"
    path.write_bytes(content)
    return read_matrix(path, "GTcls", "Segmentation", max_bytes)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int32", "int64", "float"]
)
def test_reads_what_scipy_writes(tmp_path, dtype, compressed):
    values = read(tmp_path, written(IDS.astype(dtype), compressed))
    np.testing.assert_array_equal(values, IDS)


def test_a_bomb_is_not_inflated(tmp_path):
    content = written(np.zeros((2000, 2000), "uint8"), compressed=True)
    assert len(content) < 10**4
    with pytest.raises(ValueError, match="decompresses to more than 1,000,000 bytes"):
        read(tmp_path, content)


@settings(max_examples=300)
@given(
    place=st.integers(0, 2000),
    change=st.binary(max_size=8),
    remove=st.integers(0, 12),
    compressed=st.booleans(),
)
def test_a_damaged_file_is_read_or_refused(
    tmp_path_factory, place, change, remove, compressed
):
    """SciPy ends the process at some of these."""
    content = written(compressed=compressed)
    place %= len(content)
    content = content[:place] + change + content[place + remove :]
    try:
        values = read(tmp_path_factory.getbasetemp(), content)
    except ValueError:
        return
    assert values.ndim == 2
