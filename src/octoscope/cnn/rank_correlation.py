"""Spearman's rank correlation of two maps: whether they put their pixels in the same order.

Chosen over SSIM and HOG because it knows no window and no scale: one number, 1 for the same order, 0 for none.
"""

import numpy as np

from octoscope.array_typing import Float


def rank_correlation(first: Float[np.ndarray, "*axes"], second: Float[np.ndarray, "*axes"]) -> float:
    """Returns Spearman's rho with mean ranks for ties; NaN where a map is constant and has no order.

    >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([10.0, 40.0, 90.0]))
    1.0
    >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.zeros(3))
    nan
    """
    ranks = [_mean_ranks(values.ravel()) for values in (first, second)]
    centred = [one - one.mean() for one in ranks]
    spread = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return round(float((centred[0] * centred[1]).sum()) / spread, 12) if spread else float("nan")


def _mean_ranks(values: Float[np.ndarray, " entry"]) -> Float[np.ndarray, " entry"]:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2.0)[place]
