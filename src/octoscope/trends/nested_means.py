"""Means over episodes that are nested in tasks, compared: estimates, 95 % intervals, and p of many cells at once.

The unit is the task: episodes of one task are alike, and are worth less than as many episodes of different tasks (tests over frames or
pooled episodes find over 45 % false positives where 5 % are claimed: Aarts et al., "A solution to dependency: using multilevel analysis
to accommodate nested data", Nature Neuroscience 2014). So each task is the mean of its episodes, and everything is over tasks. Where an
interval decides, its ends are the outer ones of Student's t and of the studentised hierarchical bootstrap, tasks first, then their
episodes; a percentile bootstrap over few tasks is too narrow. p is of normal scores (van der Waerden 1952), which one task that lies far
out cannot decide, and never below what shuffling the labels could give: 2 of 2^n, or 2 of the ways to choose. Student's t of the values
themselves calls something found in every table of shuffled labels, where a measure is 0 in all tasks but one.
`benchmarks/trend_simulations.py` simulates both.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import comb, ndtri, stdtr, stdtrit
from scipy.stats import rankdata

from octoscope.array_typing import Bool, Float, Int
from octoscope.intervals import FEWEST

_TAIL, _POWER = 0.025, 0.8
# What differs by less is rounding of single precision.
_ROUNDING = 1e-6
_BOOTSTRAP_ENTRIES = 2**22


@dataclass(frozen=True)
class Comparison:
    """A difference for each cell; NaN where it cannot be told."""

    estimate: Float[np.ndarray, " cell"]
    # Standard error, and its degrees of freedom.
    error: Float[np.ndarray, " cell"]
    freedom: Float[np.ndarray, " cell"]
    # Standard deviation between tasks.
    deviation: Float[np.ndarray, " cell"]
    tasks: Int[np.ndarray, " cell"]

    @property
    def half_width(self) -> Float[np.ndarray, " cell"]:
        """Half of Student's 95 % interval."""
        return _quantile(self.freedom, 1.0 - _TAIL) * self.error

    def smallest(self, tested: int) -> Float[np.ndarray, " cell"]:
        """Returns the smallest difference that would be found with a chance of 80 %, among so many tests."""
        level = 1.0 - _TAIL / max(1, tested)
        return (_quantile(self.freedom, level) + _quantile(self.freedom, _POWER)) * self.error


def task_means(values: Float[np.ndarray, "episode cell"], tasks: Int[np.ndarray, " episode"]) -> np.ndarray:
    """Returns the mean of each task's episodes that are known, (task, cell); NaN where none is.

    >>> task_means(np.array([[1.0], [3.0], [9.0]]), np.array([0, 0, 1])).tolist()
    [[2.0], [9.0]]
    """
    count = int(tasks.max()) + 1 if len(tasks) else 0
    member = (tasks == np.arange(count)[:, None]).astype(np.float64)
    known = member @ ~np.isnan(values)
    total = member @ np.nan_to_num(values).astype(np.float64)
    return np.where(known > 0, total / np.maximum(1, known), np.nan)


def compare_with_zero(means: Float[np.ndarray, "task cell"]) -> Comparison:
    """Returns how far the mean over tasks is from 0: for differences within episodes.

    >>> comparison = compare_with_zero(np.array([[1.0], [2.0], [3.0], [2.0], [2.0]]))
    >>> float(comparison.estimate[0]), round(float(comparison.half_width[0]), 2)
    (2.0, 0.88)
    """
    known = ~np.isnan(means)
    count = known.sum(axis=0)
    estimate = _mean(means, known)
    squares = np.where(known, np.square(np.nan_to_num(means) - estimate), 0.0).sum(axis=0)
    return _comparison(means, estimate, squares, count - 1.0, 1.0 / np.maximum(1, count), count)


def compare_tasks(means: Float[np.ndarray, "task cell"], member: Bool[np.ndarray, " task"]) -> Comparison:
    """Returns the mean of some tasks less that of all others, with the deviation between tasks of both sides pooled.

    A single task on a side is told from the others where it lies further out than tasks vary.
    """
    known = ~np.isnan(means)
    sides = [_mean(means[side], known[side]) for side in (member, ~member)]
    counts = [known[side].sum(axis=0) for side in (member, ~member)]
    centre = np.where(member[:, None], sides[0], sides[1])
    squares = np.where(known, np.square(np.nan_to_num(means) - centre), 0.0).sum(axis=0)
    weight = 1.0 / np.maximum(1, counts[0]) + 1.0 / np.maximum(1, counts[1])
    estimate = np.where((counts[0] > 0) & (counts[1] > 0), sides[0] - sides[1], np.nan)
    return _comparison(means, estimate, squares, counts[0] + counts[1] - 2.0, weight, counts[0] + counts[1])


@dataclass(frozen=True)
class Labelling:
    """p, and differences, under several labellings of the same tasks; the first is the true one."""

    p: Float[np.ndarray, "labelling cell"]
    estimates: Float[np.ndarray, "labelling cell"]


def swapped(means: Float[np.ndarray, "task cell"], signs: Float[np.ndarray, "labelling task"]) -> Labelling:
    """Returns what differences within tasks come to where level and others change places in some tasks.

    Args:
      means: NaN where a task's is not known.
      signs: 1 or -1, for each task.

    >>> scores = swapped(np.arange(1.0, 9.0)[:, None], np.ones((1, 8)))
    >>> round(float(scores.p[0, 0]), 4)  # 2 of 2^8
    0.0078
    """
    known = ~np.isnan(means)
    count = known.sum(axis=0)
    ranks = rankdata(np.abs(means), axis=0, nan_policy="omit")
    scores = np.where(known, ndtri(0.5 + 0.5 * np.nan_to_num(ranks) / (count + 1.0)), 0.0) * np.sign(
        np.nan_to_num(means)
    )
    centre = signs @ scores / np.maximum(1, count)
    squares = (scores**2).sum(axis=0) - count * centre**2
    least = 2.0 ** (1.0 - count)
    p = _p(centre, squares, count - 1.0, 1.0 / np.maximum(1, count), least)
    p[:, (count < FEWEST) | ~_varies(means)] = np.nan
    return Labelling(p, signs @ np.nan_to_num(means) / np.where(count > 0, count, np.nan))


def relabelled(means: Float[np.ndarray, "task cell"], members: Bool[np.ndarray, "labelling task"]) -> Labelling:
    """Returns what differences between tasks come to where other tasks are of the level.

    Args:
      means: NaN where a task's is not known.
      members: Tasks of the level, as many in every labelling.
    """
    known = ~np.isnan(means)
    count = known.sum(axis=0)
    ranks = rankdata(means, axis=0, nan_policy="omit")
    scores = np.where(known, ndtri(np.where(known, ranks, 1.0) / (count + 1.0)), 0.0)
    chosen = members.astype(np.float64)
    first, second = chosen @ known, (1.0 - chosen) @ known
    sums, total = chosen @ scores, scores.sum(axis=0)
    centres = sums / np.maximum(1, first), (total - sums) / np.maximum(1, second)
    squares = (scores**2).sum(axis=0) - first * centres[0] ** 2 - second * centres[1] ** 2
    least = np.asarray(2.0 / comb(count, first))
    weight = 1.0 / np.maximum(1, first) + 1.0 / np.maximum(1, second)
    p = _p(centres[0] - centres[1], squares, first + second - 2.0, weight, least)
    p[:, (count < FEWEST) | ~_varies(means)] = np.nan
    p[(first == 0) | (second == 0)] = np.nan
    filled = np.nan_to_num(means)
    sums = chosen @ filled
    ends = sums / np.where(first > 0, first, np.nan), (filled.sum(axis=0) - sums) / np.where(second > 0, second, np.nan)
    return Labelling(p, ends[0] - ends[1])


def _p(
    difference: np.ndarray, squares: np.ndarray, freedom: np.ndarray, weight: np.ndarray, least: np.ndarray
) -> np.ndarray:
    # One less than for normal values: of scores the ends of t are a little heavier, and many tests look at nothing but the ends.
    freedom = np.maximum(1.0, freedom - 1.0)
    error = np.sqrt(np.maximum(squares, 1e-12) / freedom * weight)
    return np.clip(2.0 * stdtr(freedom, -np.abs(difference / error)), np.minimum(least, 1.0), 1.0)


def _varies(means: Float[np.ndarray, "task cell"]) -> Bool[np.ndarray, " cell"]:
    """Returns whether tasks differ by more than rounding."""
    filled = np.where(
        np.isnan(means), np.nan_to_num(means).sum(axis=0) / np.maximum(1, (~np.isnan(means)).sum(axis=0)), means
    )
    return filled.std(axis=0) > _ROUNDING * np.maximum(1.0, np.abs(filled).max(axis=0, initial=0.0))


def nested_interval(
    values: Float[np.ndarray, "episode cell"],
    tasks: Int[np.ndarray, " episode"],
    member: Bool[np.ndarray, " task"] | None = None,
    *,
    draws: int = 500,
    seed: int = 0,
) -> tuple[Float[np.ndarray, " cell"], Float[np.ndarray, " cell"]]:
    """Returns the ends of the 95 % interval of a comparison: the outer ones of Student's t and the studentised hierarchical bootstrap.

    Args:
      values: Of each episode; NaN where not known.
      tasks: Which task each is of, from 0.
      member: Tasks that are compared with all others; None compares with 0.
      draws: Of tasks, each with its episodes.
      seed: Of the draws.
    """
    means = task_means(values, tasks)
    comparison = compare_with_zero(means) if member is None else compare_tasks(means, member)
    wide = _quantile(comparison.freedom, 1.0 - _TAIL)
    sides = [np.arange(len(means))] if member is None else [np.flatnonzero(member), np.flatnonzero(~member)]
    if min(map(len, sides)) < 3:
        return comparison.estimate - wide * comparison.error, comparison.estimate + wide * comparison.error
    rng = np.random.default_rng(seed)
    drawn = np.concatenate([side[rng.integers(len(side), size=(draws, len(side)))] for side in sides], axis=1)
    places, there = _redrawn_episodes(tasks, drawn, rng)
    ends = [
        _studentised(values[:, part], places, there, len(sides[0]) if member is not None else None, comparison, part)
        for part in _parts(values.shape[1], places.size)
    ]
    least, most = (np.concatenate([end[at] for end in ends]) for at in (0, 1))
    low = comparison.estimate - np.fmax(wide, most) * comparison.error
    return low, comparison.estimate - np.fmin(-wide, least) * comparison.error


def _comparison(
    means: np.ndarray,
    estimate: np.ndarray,
    squares: np.ndarray,
    freedom: np.ndarray,
    weight: np.ndarray,
    count: np.ndarray,
) -> Comparison:
    freedom = np.where(freedom > 0, freedom, np.nan)
    deviation = np.sqrt(squares / freedom)
    varies = deviation > _ROUNDING * np.maximum(1.0, np.abs(np.nan_to_num(means)).max(axis=0, initial=0.0))
    error = np.where(varies, deviation * np.sqrt(weight), np.nan)
    return Comparison(estimate, error, freedom, deviation, count)


def _mean(means: np.ndarray, known: np.ndarray) -> np.ndarray:
    count = known.sum(axis=0)
    return np.where(count > 0, np.nan_to_num(means).sum(axis=0) / np.maximum(1, count), np.nan)


def _quantile(freedom: np.ndarray, part: float) -> np.ndarray:
    return np.where(np.isnan(freedom), np.nan, stdtrit(np.nan_to_num(freedom, nan=1.0), part))


def _redrawn_episodes(
    tasks: Int[np.ndarray, " episode"], drawn: Int[np.ndarray, "draw task"], rng: np.random.Generator
) -> tuple[Int[np.ndarray, "draw task place"], Bool[np.ndarray, "draw task place"]]:
    """Returns for each drawn task as many of its episodes, drawn anew, and which places are filled."""
    members = [np.flatnonzero(tasks == task) for task in range(int(tasks.max()) + 1)]
    counts = np.array([len(member) for member in members])
    table = np.zeros((len(members), counts.max()), np.int64)
    for task, member in enumerate(members):
        table[task, : len(member)] = member
    number = counts[drawn]
    chosen = (rng.random((*drawn.shape, counts.max())) * number[..., None]).astype(np.int64)
    return table[drawn[..., None], chosen], np.arange(counts.max()) < number[..., None]


def _studentised(
    values: np.ndarray, places: np.ndarray, there: np.ndarray, split: int | None, comparison: Comparison, part: slice
) -> tuple[np.ndarray, np.ndarray]:
    """Returns between which the studentised difference of 95 % of the draws lies."""
    resampled = np.where(there[..., None], values[places], np.nan)
    known = ~np.isnan(resampled)
    count = known.sum(axis=2)
    means = np.where(count > 0, np.nan_to_num(resampled).sum(axis=2) / np.maximum(1, count), np.nan)
    estimate, error = _of_draws(means, split)
    spread = error > 1e-9 * comparison.error[part]
    ratio = np.where(spread, (estimate - comparison.estimate[part]) / np.where(spread, error, 1.0), np.nan)
    least, most = (_nan_quantile(ratio, tail) for tail in (_TAIL, 1.0 - _TAIL))
    return least, most


def _of_draws(means: Float[np.ndarray, "draw task cell"], split: int | None) -> tuple[np.ndarray, np.ndarray]:
    sides = [means] if split is None else [means[:, :split], means[:, split:]]
    known = [~np.isnan(side) for side in sides]
    counts = [each.sum(axis=1) for each in known]
    centres = [
        np.nan_to_num(side).sum(axis=1) / np.maximum(1, count) for side, count in zip(sides, counts, strict=True)
    ]
    squares = sum(
        np.where(there, np.square(np.nan_to_num(side) - centre[:, None]), 0.0).sum(axis=1)
        for side, there, centre in zip(sides, known, centres, strict=True)
    )
    freedom = np.maximum(1.0, sum(counts) - float(len(sides)))
    weight = sum(1.0 / np.maximum(1, count) for count in counts)
    estimate = centres[0] if split is None else centres[0] - centres[1]
    return estimate, np.sqrt(squares / freedom * weight)


def _nan_quantile(ratio: np.ndarray, part: float) -> np.ndarray:
    """Returns the quantile of each cell's known draws; NaN where none is known."""
    some = ~np.isnan(ratio).all(axis=0)
    result = np.full(ratio.shape[1], np.nan)
    if some.any():
        result[some] = np.nanquantile(ratio[:, some], part, axis=0)
    return result


def _parts(cells: int, entries: int) -> list[slice]:
    width = max(1, _BOOTSTRAP_ENTRIES // max(1, entries))
    return [slice(start, min(start + width, cells)) for start in range(0, cells, width)]
