import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_imas.metrics.rank_correlation import rank_correlation


@pytest.mark.parametrize("size", [3, 20])
def test_order_is_all_that_counts(size):
    x = np.random.default_rng(0).permutation(size)
    assert rank_correlation(x, np.exp(x)) == pytest.approx(1)
    assert rank_correlation(x, -x) == pytest.approx(-1)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=3))
def test_equal_numbers_share_a_rank(pairs):
    stats = pytest.importorskip("scipy.stats")
    first, second = np.array(pairs).T
    found = rank_correlation(first, second)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(stats.spearmanr(first, second).statistic)


def test_two_pairs_tell_nothing():
    assert np.isnan(rank_correlation([1, 2], [1, 2]))
