"""Pearson's and Spearman's correlation of two maps; NaN where there is none, without a warning. Checked against SciPy in the tests."""

import numpy as np

from octoscope.array_typing import Float


def pearson(some: Float[np.ndarray, " entry"], others: Float[np.ndarray, " entry"]) -> float:
    """Returns Pearson's correlation; NaN where either does not vary.

    >>> pearson(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
    1.0
    """
    a, b = some - some.mean(), others - others.mean()
    lengths = np.sqrt((a**2).sum() * (b**2).sum())
    # What differs by rounding alone does not vary.
    still = min(np.abs(a).max(), np.abs(b).max()) <= 1e-12 * max(np.abs(some).max(), np.abs(others).max(), 1e-300)
    return float("nan") if still or lengths == 0 else float(np.clip((a * b).sum() / lengths, -1.0, 1.0))


def spearman(some: Float[np.ndarray, "*axes"], others: Float[np.ndarray, "*axes"]) -> float:
    """Returns Spearman's rank correlation of two maps, equal values sharing their mean rank; NaN where either does not vary.

    One number, 1 for the same order and 0 for none, that knows no window and no scale.

    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([1.0, 10.0, 100.0]))
    1.0
    """
    # Takes half a second to load, and few commands compare maps.
    from scipy.stats import rankdata

    return pearson(rankdata(some.ravel()), rankdata(others.ravel()))
