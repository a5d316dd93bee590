"""Scores of one map: how it goes with what matters, and where it lies. NumPy in, numbers out; checked against SciPy in the tests."""

from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import Bool, Float


def pearson(some: Float[np.ndarray, " cell"], others: Float[np.ndarray, " cell"]) -> float:
    """Returns Pearson's correlation; NaN where either does not vary.

    >>> pearson(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
    1.0
    """
    a, b = some - some.mean(), others - others.mean()
    lengths = np.sqrt((a**2).sum() * (b**2).sum())
    # What differs by rounding alone does not vary.
    still = min(np.abs(a).max(), np.abs(b).max()) <= 1e-12 * max(np.abs(some).max(), np.abs(others).max(), 1e-300)
    return float("nan") if still or lengths == 0 else float(np.clip((a * b).sum() / lengths, -1.0, 1.0))


def spearman(some: Float[np.ndarray, " cell"], others: Float[np.ndarray, " cell"]) -> float:
    """Returns Spearman's rank correlation, equal values sharing their mean rank; NaN where either does not vary.

    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([1.0, 10.0, 100.0]))
    1.0
    """
    return pearson(mean_ranks(some), mean_ranks(others))


def mean_ranks(values: Float[np.ndarray, " cell"]) -> Float[np.ndarray, " cell"]:
    """Returns ranks from 1; equal values share the mean of theirs.

    >>> mean_ranks(np.array([5.0, 1.0, 5.0]))
    array([2.5, 1. , 2.5])
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((2 * last - counts + 1) / 2)[inverse]


def mass_ratio(values: Float[np.ndarray, " cell"], coverage: Float[np.ndarray, " cell"]) -> float:
    """Returns the part of a map's mass that lies on an object, cells counting by how much of them it covers; NaN for an empty map.

    >>> mass_ratio(np.array([3.0, 1.0]), np.array([0.5, 0.0]))
    0.375
    """
    total = values.sum()
    return float((values * coverage).sum() / total) if total > 0 else float("nan")


def top_overlap(
    values: Float[np.ndarray, " cell"], coverage: Float[np.ndarray, " cell"], *, part: float = 0.1
) -> float:
    """Returns intersection over union of a map's largest cells with the cells that the object touches.

    Equal values at the border are taken as they come in the row, at least one cell is.

    >>> top_overlap(np.array([3.0, 1.0, 0.0, 0.0]), np.array([0.5, 0.2, 0.0, 0.0]), part=0.25)
    0.5
    """
    top = np.zeros(len(values), bool)
    top[ranking(values)[: max(1, round(part * len(values)))]] = True
    touched = coverage > 0
    return float((top & touched).sum() / (top | touched).sum())


def points_at(values: Float[np.ndarray, " cell"], coverage: Float[np.ndarray, " cell"]) -> float:
    """Returns 1 where a map's largest cell touches the object, else 0: the pointing game.

    Reference: Zhang et al., "Top-Down Neural Attention by Excitation Backprop", 2018, https://arxiv.org/abs/1608.00507

    >>> points_at(np.array([3.0, 1.0]), np.array([0.1, 0.9]))
    1.0
    """
    return float(coverage[ranking(values)[0]] > 0)


def ranking(values: Float[np.ndarray, " cell"]) -> np.ndarray:
    """Returns the cells from the largest value to the smallest; equal ones as they come in the row.

    >>> ranking(np.array([1.0, 3.0, 1.0])).tolist()
    [1, 0, 2]
    """
    return np.argsort(-values, kind="stable")


def area_under(fractions: Float[np.ndarray, " point"], closeness: Float[np.ndarray, " point"]) -> float:
    """Returns the area under a curve by the trapezoid rule.

    >>> area_under(np.array([0.0, 0.5, 1.0]), np.array([1.0, 0.5, 0.0]))
    0.5
    """
    return float(np.trapezoid(closeness, fractions))


def bootstrap_interval(values: Sequence[float], *, draws: int = 2000, seed: int = 0) -> tuple[float, float, float]:
    """Returns the mean of one value an episode, and its 95 % interval: episodes drawn with repetition (percentile bootstrap).

    NaN values are left out; of fewer than two episodes there is no interval.

    >>> bootstrap_interval([1.0, 1.0, 1.0])
    (1.0, 1.0, 1.0)
    """
    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    if not len(known):
        return float("nan"), float("nan"), float("nan")
    if len(known) == 1:
        return float(known[0]), float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    means = known[rng.integers(len(known), size=(draws, len(known)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(known.mean()), float(low), float(high)


def touches(coverage: Float[np.ndarray, " cell"]) -> Bool[np.ndarray, " cell"]:
    """Returns the cells that an object covers at all; cells of other cameras (NaN) do not count.

    >>> touches(np.array([0.0, 0.1, np.nan])).tolist()
    [False, True, False]
    """
    return np.nan_to_num(coverage) > 0
