"""Intervals hold what they claim, by simulation; and say nothing where there is nothing to say."""

import numpy as np
import pytest
from scipy import stats

from octoscope.intervals import few_episodes, jackknife_interval, mean_interval

# Drawn from, and between which bounds the mean lies; shaped as scores are. True means beside them.
POPULATIONS = {
    "normal": (lambda rng, count: rng.normal(size=count), 0.0, (-np.inf, np.inf)),
    "change, skewed": (lambda rng, count: rng.exponential(size=count), 1.0, (0.0, np.inf)),
    "small share": (lambda rng, count: rng.beta(0.5, 4.5, count), 0.1, (0.0, 1.0)),
    "correlation near 1": (lambda rng, count: 1 - 2 * rng.beta(1, 9, count), 0.8, (-1.0, 1.0)),
    "hits": (lambda rng, count: (rng.random(count) < 0.9) * 1.0, 0.9, (0.0, 1.0)),
}


@pytest.mark.parametrize("count", [5, 8, 30])
@pytest.mark.parametrize("name", POPULATIONS)
def test_intervals_hold_the_mean_as_often_as_they_say(name, count):
    """Of 300 samples; the percentile bootstrap holds 76 to 83 % at 5 of all of these but hits, of which it holds 41 %."""
    draw, mean, bounds = POPULATIONS[name]
    rng = np.random.default_rng(count)
    intervals = [mean_interval(draw(rng, count), bounds=bounds, draws=200) for _ in range(300)]
    low, high = np.array(intervals).T
    assert not np.isnan(low).any()
    assert ((low <= mean) & (mean <= high)).mean() >= 0.89
    assert (low >= bounds[0]).all()
    assert (high <= bounds[1]).all()


@pytest.mark.parametrize("seed", range(5))
def test_no_interval_is_narrower_than_students(seed):
    values = np.random.default_rng(seed).normal(3.0, 2.0, 5 + 3 * seed)
    known = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    low, high = mean_interval(values)
    assert low <= known.low + 1e-9
    assert high >= known.high - 1e-9
    assert high - low < 2.5 * (known.high - known.low)


def test_a_long_tail_lengthens_the_end_on_its_side():
    values = np.random.default_rng(1).exponential(size=12) ** 2
    known = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    low, high = mean_interval(values)
    assert high - known.high > 0.2 * (known.high - values.mean())
    assert low == pytest.approx(known.low)


@pytest.mark.parametrize("count", range(5))
def test_below_five_there_is_no_interval_and_no_verdict(count):
    assert np.isnan(mean_interval(np.arange(float(count)))).all()
    assert np.isnan(mean_interval([*np.arange(float(count)), np.nan, np.nan])).all()
    assert "too few for intervals or a verdict" in few_episodes(count)


def test_below_ten_there_is_a_warning():
    assert few_episodes(1).startswith("1 episode is too few")
    assert few_episodes(5).startswith("Warning: 5 episodes are few.")
    assert few_episodes(9).startswith("Warning")
    assert few_episodes(10) == ""


def test_values_that_are_all_equal_are_no_certainty():
    # Clopper and Pearson's lower end of 15 hits in 15, from SciPy.
    exact = stats.binomtest(15, 15).proportion_ci(0.95, method="exact")
    assert mean_interval(np.ones(15), bounds=(0.0, 1.0)) == pytest.approx((exact.low, 1.0))
    none = stats.binomtest(0, 8).proportion_ci(0.95, method="exact")
    assert mean_interval(np.zeros(8), bounds=(0.0, 1.0)) == pytest.approx((0.0, none.high))
    assert np.isnan(mean_interval(np.full(9, 0.3))).all()
    assert np.isnan(mean_interval(np.zeros(9), bounds=(0.0, np.inf))).all()


def test_the_interval_of_a_ratio_of_sums_holds_it():
    """Episodes of unequal length: the ratio of all that was found to all there was."""
    rng, held = np.random.default_rng(0), []
    for _ in range(300):
        sizes = rng.integers(5, 40, 10)
        right = rng.binomial(sizes, rng.beta(7, 3, 10))
        without = (right.sum() - right) / (sizes.sum() - sizes)
        low, high = jackknife_interval(right.sum() / sizes.sum(), without, bounds=(0.0, 1.0))
        assert low <= right.sum() / sizes.sum() <= high
        held.append(low <= 0.7 <= high)
    assert np.mean(held) >= 0.89
