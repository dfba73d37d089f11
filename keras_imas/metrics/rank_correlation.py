"""Spearman's rank correlation."""

import numpy as np


def rank_correlation(first, second):
    """Return Spearman's rank correlation of two lists of numbers.

    Equal numbers share the mean of their ranks.

    Args:
        first: `(N,)`.
        second: `(N,)`.

    Returns:
        A number in [-1, 1]; NaN for fewer than 3 pairs, or where all numbers of a list
        are equal.

    Example:
        >>> rank_correlation([1, 2, 30, 31], [0.1, 0.3, 0.4, 0.2])
        0.4
        >>> rank_correlation([1, 1, 1], [0.1, 0.3, 0.4])
        nan
    """
    ranks = [_ranks(values) for values in (first, second)]
    if len(first) < 3 or any(np.ptp(rank) == 0 for rank in ranks):
        return float("nan")
    return round(float(np.corrcoef(*ranks)[0, 1]), 10)


def _ranks(values):
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]
