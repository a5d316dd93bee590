"""A linear classifier in closed form: ridge regression onto the classes, each class counted alike.

Reference: Hoerl & Kennard, "Ridge Regression", Technometrics 1970; as a classifier, Hastie, Tibshirani & Friedman, "The Elements of
Statistical Learning", 2009, section 4.2. It is the same as scikit-learn's `RidgeClassifier(alpha, class_weight="balanced")` on standardised
entries. It is made from sums over the samples of each class, so leaving some out is a subtraction: a probe is fitted for each layer, fold
and shuffle, and the samples are read once for all folds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float, Int


@dataclass(frozen=True, eq=False)
class RidgeClassifier:
    """Weights of a linear classifier; the class of the largest score is its answer."""

    classes: tuple[int, ...]
    # Of the encodings as they are: standardisation is folded in.
    weights: Float[np.ndarray, "embed answer"]
    offsets: Float[np.ndarray, " answer"]

    def scores(self, encodings: Float[np.ndarray, "*batch embed"]) -> Float[np.ndarray, "*batch answer"]:
        """Returns a score for each class: near 1 where it is the answer, near -1 where not."""
        return encodings @ self.weights + self.offsets

    def predict(self, encodings: Float[np.ndarray, "*batch embed"]) -> Int[np.ndarray, "*batch"]:
        """Returns the class of the largest score."""
        return np.asarray(np.array(self.classes)[self.scores(encodings).argmax(axis=-1)])


@dataclass(frozen=True, eq=False)
class ClassMoments:
    """All that a ridge classifier needs to know of its samples: for each class their number, their sum, and that of their products.

    Sums of large values that nearly cancel lose digits: shift encodings by their mean over all samples first.
    """

    counts: Float[np.ndarray, " answer"]
    sums: Float[np.ndarray, "answer embed"]
    products: Float[np.ndarray, "answer embed embed"]

    @classmethod
    def of(
        cls, encodings: Float[np.ndarray, "sample embed"], labels: Int[np.ndarray, " sample"], *, classes: Sequence[int]
    ) -> "ClassMoments":
        """Returns the moments of some samples; a class may have none."""
        parts = [encodings[labels == each] for each in classes]
        return cls(
            np.array([float(len(part)) for part in parts]),
            np.stack([part.sum(axis=0) for part in parts]),
            np.stack([part.T @ part for part in parts]),
        )

    def plus(self, other: "ClassMoments", sign: float = 1.0) -> "ClassMoments":
        """Returns the moments of both together; with `sign` -1 those of the samples that the other lacks."""
        return ClassMoments(
            self.counts + sign * other.counts, self.sums + sign * other.sums, self.products + sign * other.products
        )

    def fit(self, *, classes: Sequence[int], strength: float) -> RidgeClassifier:
        """Returns the classifier of the samples; see `fit_ridge_classifier`. Classes without samples are never its answer."""
        there = self.counts > 0
        counts, sums, products = self.counts[there], self.sums[there], self.products[there]
        if len(counts) < 2 or strength < 0:
            raise ValueError(
                f"`labels` must hold two classes and `strength` be 0 or more, got {len(counts)} and {strength}."
            )
        total = counts.sum()
        mean = sums.sum(axis=0) / total
        spread = np.sqrt(np.clip(np.einsum("cee->e", products) / total - mean**2, 0.0, None))
        # An entry that never changes says nothing; dividing it by a rounding error would make it shout.
        scale = np.where(spread > 1e-7 * max(float(spread.max()), 1e-12), spread, np.inf)
        # Every class weighs the same; weights sum to the number of samples, as the penalty does.
        weight = total / (len(counts) * counts)
        center = weight @ sums / total
        gram = (np.einsum("c,cef->ef", weight, products) - total * np.outer(center, center)) / np.outer(scale, scale)
        # Targets are 1 for the class and -1 for the others; their weighted mean is the same for all classes.
        target_mean = 2.0 / len(counts) - 1.0
        answers = (2.0 * weight[:, None] * (sums - counts[:, None] * center) / scale).T
        gram[np.diag_indices_from(gram)] += max(strength * total, 1e-9)
        weights = np.linalg.solve(gram, answers) / scale[:, None]
        names = tuple(int(each) for each, has_samples in zip(classes, there, strict=True) if has_samples)
        return RidgeClassifier(names, weights, target_mean - center @ weights)


def fit_ridge_classifier(
    encodings: Float[np.ndarray, "sample embed"], labels: Int[np.ndarray, " sample"], *, strength: float = 0.01
) -> RidgeClassifier:
    """Returns the classifier of encodings, standardised over the samples and weighted so that each class counts alike.

    Args:
      encodings: One row a sample.
      labels: The class of each.
      strength: Penalty on the squared weights, for each sample; entries have variance 1. At 0 it is least squares.

    Raises:
      ValueError: If there are fewer than two classes, or `strength` is negative.

    >>> encodings = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 0.0], [3.0, 0.0]])
    >>> fit_ridge_classifier(encodings, np.array([7, 7, 8, 8])).predict(encodings)
    array([7, 7, 8, 8])
    """
    classes = np.unique(labels).tolist()
    shift = encodings.mean(axis=0, dtype=np.float64)
    shifted = ClassMoments.of(encodings - shift, labels, classes=classes).fit(classes=classes, strength=strength)
    return RidgeClassifier(shifted.classes, shifted.weights, shifted.offsets - shift @ shifted.weights)
