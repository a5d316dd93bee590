"""Intervals of means over few episodes: no narrower than Student's t, and wider where values are skewed.

Each end is the outer one of two: Student's t interval, and the studentised (bootstrap-t) interval (Efron & Tibshirani, "An Introduction to
the Bootstrap", 1993, section 12.5). Over few episodes percentile and BCa intervals are too narrow (at 5 they cover 80 % of normal values
where 95 % are claimed), t alone is too narrow where values are skewed, and the studentised one alone where many are equal.
`benchmarks/interval_coverage.py` simulates all five; docs/faithfulness.md shows its table.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from octoscope.array_typing import Float

# Below this many episodes there is no interval and no verdict, below that many a warning.
FEWEST, FEW = 5, 10
UNBOUNDED = (-np.inf, np.inf)
_TAIL = 0.025


def mean_interval(
    values: Sequence[float] | Float[np.ndarray, " episode"],
    *,
    bounds: tuple[float, float] = UNBOUNDED,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Returns the 95 % interval of a mean; NaN for fewer than `FEWEST` values.

    Values that are all equal show no spread, which is no certainty: where both bounds are known, the values that were not met have at most
    the part 1 - 0.025^(1/n) of all (Clopper & Pearson 1934), so that 15 hits of 15 give 0.78..1; else there is no interval.

    Args:
      values: One an episode, independent of each other; NaN is left out.
      bounds: Between which the mean must lie, such as 0 and 1 for a share: an interval never reaches beyond.
      draws: Of the bootstrap.
      seed: Of the draws.

    >>> [round(end, 2) for end in mean_interval([0.2, 0.3, 0.5, 0.1, 0.4])]
    [0.07, 0.53]
    >>> [round(end, 2) for end in mean_interval([1.0] * 15, bounds=(0.0, 1.0))]
    [0.78, 1.0]
    """
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    count = len(known)
    if count < FEWEST:
        return float("nan"), float("nan")
    mean = float(known.mean())
    error = float(known.std(ddof=1)) / np.sqrt(count)
    if error <= 1e-12 * max(1e-300, float(np.abs(known).max())):
        unseen = 1.0 - _TAIL ** (1.0 / count)
        low, high = (mean + unseen * (end - mean) for end in bounds)
        return (low, high) if np.isfinite([low, high]).all() else (float("nan"), float("nan"))
    wide = float(stdtrit(count - 1, 1.0 - _TAIL))
    least, most = _studentised_ends(known, draws=draws, seed=seed)
    low, high = mean - max(wide, most) * error, mean - min(-wide, least) * error
    return float(max(low, bounds[0])), float(min(high, bounds[1]))


def jackknife_interval(
    estimate: float, without: Float[np.ndarray, " episode"], *, bounds: tuple[float, float] = UNBOUNDED
) -> tuple[float, float]:
    """Returns the 95 % interval of a number that is no mean over episodes, such as a ratio of sums over them.

    Tukey's pseudo-values, n * estimate - (n - 1) * the estimate without an episode, are to it what values are to their mean.

    Args:
      estimate: Of all episodes.
      without: Of all but one, for each episode.
      bounds: See `mean_interval`.

    >>> values = np.array([0.2, 0.3, 0.5, 0.1, 0.4])
    >>> without = (values.sum() - values) / 4
    >>> np.allclose(jackknife_interval(0.3, without), mean_interval(values))
    True
    """
    count = len(without)
    pseudo = count * estimate - (count - 1) * np.asarray(without, np.float64)
    known = pseudo[~np.isnan(pseudo)]
    # The pseudo-values' own mean corrects a bias that the estimate beside the interval still has.
    shifted = known - known.mean() + estimate if len(known) else known
    return mean_interval(shifted, bounds=bounds)


def few_episodes(count: int, *, of: str = "episodes") -> str:
    """Returns what must be said where there are too few episodes for an interval, or few; "" where there are enough.

    >>> few_episodes(4)
    '4 episodes are too few for intervals or a verdict (5 are needed): differences here cannot be told from luck.'
    >>> few_episodes(12)
    ''
    """
    name = of.removesuffix("s") if count == 1 else of
    are = "is" if count == 1 else "are"
    if count < FEWEST:
        return f"{count} {name} {are} too few for intervals or a verdict ({FEWEST} are needed): differences here cannot be told from luck."
    if count < FEW:
        return f"Warning: {count} {name} {are} few. Intervals are wide, and of skewed values still too narrow; give {FEW} or more."
    return ""


def _studentised_ends(known: Float[np.ndarray, " episode"], *, draws: int, seed: int) -> tuple[float, float]:
    """Returns between which the studentised mean of 95 % of the resamples lies; a resample of one value alone has none."""
    count = len(known)
    drawn = known[np.random.default_rng(seed).integers(count, size=(draws, count))]
    error = drawn.std(axis=1, ddof=1) / np.sqrt(count)
    spread = error > 1e-9 * known.std(ddof=1)
    if not spread.any():
        return 0.0, 0.0
    studentised = (drawn.mean(axis=1)[spread] - known.mean()) / error[spread]
    least, most = np.quantile(studentised, [_TAIL, 1.0 - _TAIL])
    return float(least), float(most)
