import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_imas.backends.window_sum import WindowSum


@settings(deadline=None, max_examples=20)
@given(
    corners=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=6),
    seed=st.integers(0, 99),
)
def test_windows_are_added_where_they_lie(corners, seed):
    windows = np.random.default_rng(seed).normal(size=(2, 3, 2, 4)).astype("float32")
    total, expected = WindowSum((6, 7, 4)), np.zeros((6, 7, 4), "float32")
    for number, (top, left) in enumerate(corners):
        total.add(ops.convert_to_tensor(windows), number % 2, (top, left))
        expected[top : top + 3, left : left + 2] += windows[number % 2]
    np.testing.assert_array_equal(ops.convert_to_numpy(total.value), expected)
