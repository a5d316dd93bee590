"""What can be read linearly off encodings in episodes that the reading has never seen: ridge regression in closed form.

Reference: Hoerl & Kennard, "Ridge Regression", Technometrics 1970. The penalty is chosen within the training episodes, so that encodings of
any size have their chance, and the score is of episodes that neither choice nor fit has touched.
"""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float, Int
from octoscope.intervals import jackknife_interval

# Penalties tried, for each sample of standardised entries.
_STRENGTHS = (1e-5, 1e-3, 1e-2, 1e-1)


@dataclass(frozen=True)
class Reading:
    """How well numbers are read off encodings."""

    # 1 - squared error / squared distance from the training mean, over all held-out samples: 1 exact, 0 no better than the mean.
    r2: float
    # Its 95 % interval over episodes, see `jackknife_interval`; NaN for fewer than five episodes.
    low: float
    high: float
    samples: int
    episodes: int


def read_linearly(
    encodings: Float[np.ndarray, "sample embed"],
    targets: Float[np.ndarray, "sample number"],
    *,
    episodes: Int[np.ndarray, " sample"],
    folds: int = 5,
    seed: int = 0,
) -> Reading:
    """Returns how well the targets are read off encodings in held-out episodes.

    Each target counts by its own variance: they are standardised. Samples with a target that is NaN are left out.

    Args:
      encodings: One row a sample.
      targets: What is to be read.
      episodes: Which episode each sample is of.
      folds: Parts that the episodes are split into, at random; three or more.
      seed: Of folds.

    Raises:
      ValueError: If there are samples of fewer than three episodes.

    >>> rng = np.random.default_rng(0)
    >>> told, episodes = rng.normal(size=(300, 4)), np.repeat(np.arange(10), 30)
    >>> read_linearly(told, told @ rng.normal(size=(4, 2)), episodes=episodes).r2 > 0.999
    True
    >>> abs(read_linearly(told, rng.normal(size=(300, 2)), episodes=episodes).r2) < 0.1
    True
    """
    told = ~np.isnan(targets).any(axis=1)
    values, wanted = _standardised(encodings[told]), _standardised(targets[told])
    numbers, groups = np.unique(episodes[told], return_inverse=True)
    if len(numbers) < 3 or folds < 3:
        raise ValueError(f"A reading needs samples of 3 episodes and 3 folds, got {len(numbers)} and {folds}.")
    rng = np.random.default_rng(seed)
    fold = rng.permutation(len(numbers)) % min(folds, len(numbers))
    parts = [_Moments.of(values[fold[groups] == number], wanted[fold[groups] == number]) for number in np.unique(fold)]
    error, spread = np.zeros(len(numbers)), np.zeros(len(numbers))
    for number, test_fold in enumerate(np.unique(fold)):
        training = [part for other, part in enumerate(parts) if other != number]
        fitted = _Moments.joined(training).fit(_best_strength(training))
        test = fold[groups] == test_fold
        guess = values[test] @ fitted[0] + fitted[1]
        off = ((wanted[test] - guess) ** 2).sum(axis=1)
        away = ((wanted[test] - _Moments.joined(training).target_mean) ** 2).sum(axis=1)
        error += np.bincount(groups[test], weights=off, minlength=len(numbers))
        spread += np.bincount(groups[test], weights=away, minlength=len(numbers))
    r2 = float(1 - error.sum() / max(spread.sum(), 1e-12))
    without = 1 - (error.sum() - error) / np.maximum(spread.sum() - spread, 1e-12)
    low, high = jackknife_interval(r2, without, bounds=(-np.inf, 1.0))
    return Reading(r2, low, high, int(told.sum()), len(numbers))


@dataclass(frozen=True, eq=False)
class _Moments:
    """Sums over samples: enough to fit on any union of parts without going through the samples again."""

    count: int
    sums: Float[np.ndarray, " embed"]
    target_sums: Float[np.ndarray, " number"]
    gram: Float[np.ndarray, "embed embed2"]
    cross: Float[np.ndarray, "embed number"]
    target_squares: float

    @classmethod
    def of(cls, values: np.ndarray, targets: np.ndarray) -> "_Moments":
        return cls(
            len(values),
            values.sum(axis=0),
            targets.sum(axis=0),
            values.T @ values,
            values.T @ targets,
            float((targets**2).sum()),
        )

    @classmethod
    def joined(cls, parts: "list[_Moments]") -> "_Moments":
        return cls(
            sum(part.count for part in parts),
            np.sum([part.sums for part in parts], axis=0),
            np.sum([part.target_sums for part in parts], axis=0),
            np.sum([part.gram for part in parts], axis=0),
            np.sum([part.cross for part in parts], axis=0),
            sum(part.target_squares for part in parts),
        )

    @property
    def target_mean(self) -> Float[np.ndarray, " number"]:
        return self.target_sums / self.count

    def fit(self, strength: float) -> tuple[Float[np.ndarray, "embed number"], Float[np.ndarray, " number"]]:
        mean = self.sums / self.count
        gram = self.gram - self.count * np.outer(mean, mean)
        gram[np.diag_indices_from(gram)] += strength * self.count
        weights = np.linalg.solve(gram, self.cross - self.count * np.outer(mean, self.target_mean))
        return weights, self.target_mean - mean @ weights

    def error(self, weights: Float[np.ndarray, "embed number"], offset: Float[np.ndarray, " number"]) -> float:
        """Returns the squared error of a fit on these samples, from the sums alone."""
        fitted = (weights * (self.gram @ weights)).sum() + 2 * self.sums @ weights @ offset
        return float(
            self.target_squares
            + fitted
            + self.count * (offset @ offset)
            - 2 * (self.cross * weights).sum()
            - 2 * self.target_sums @ offset
        )


def _best_strength(parts: list[_Moments]) -> float:
    """Returns the penalty under which one of the parts is told best from the others."""
    validation, others = parts[0], _Moments.joined(parts[1:])
    return min(_STRENGTHS, key=lambda strength: validation.error(*others.fit(strength)))


def _standardised(values: Float[np.ndarray, "sample entry"]) -> Float[np.ndarray, "sample entry"]:
    values = values.astype(np.float64)
    spread = values.std(axis=0)
    # An entry that never changes says nothing; dividing it by a rounding error would make it shout.
    return (values - values.mean(axis=0)) / np.where(spread > 1e-9 * max(1.0, float(spread.max())), spread, np.inf)
