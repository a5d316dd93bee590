"""Linear probes: can a label be read off encodings by one linear map, in episodes that the map has never seen?

References: Alain & Bengio, "Understanding Intermediate Layers Using Linear Classifier Probes", 2016, https://arxiv.org/abs/1610.01644;
the control of shuffled labels: Hewitt & Liang, "Designing and Interpreting Probes with Control Tasks", EMNLP 2019,
https://arxiv.org/abs/1909.03368. A probe tells that something can be read; that the policy reads it, only an intervention tells.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float, Int
from octoscope.encodings.ridge_classifier import ClassMoments
from octoscope.intervals import jackknife_interval

_FEWEST_EPISODES = 3


@dataclass(frozen=True)
class ProbeScore:
    """How well one label is read off one set of encodings, in held-out episodes."""

    # Mean over classes of the part of their samples that was found: 1 / classes by chance, however rare a class is.
    accuracy: float
    # Its 95 % interval over episodes, see `jackknife_interval`; NaN for fewer than five episodes.
    low: float
    high: float
    # The same with labels shuffled among the samples of each frame, mean of several shuffles: what is left is no reading.
    shuffled: float
    # What guessing gives.
    chance: float
    classes: tuple[int, ...]
    episodes: int
    samples: int


def probe_encodings(
    features: Mapping[str, Float[np.ndarray, "sample _"]],
    labels: Int[np.ndarray, " sample"],
    *,
    episodes: Int[np.ndarray, " sample"],
    frames: Int[np.ndarray, " sample"],
    strength: float = 0.01,
    folds: int = 5,
    shuffles: int = 3,
    seed: int = 0,
) -> dict[str, ProbeScore]:
    """Returns how well a label is read off each set of features, all by the same folds of whole episodes.

    Each fold's episodes are held out while a ridge classifier is fitted on the others, so that no frame of an episode is on both sides.
    Nothing is tuned: `strength` is the same for all.

    Args:
      features: By name, one row a sample: the layers, and baselines such as `position_features`.
      labels: The class of each sample; those below 0 are left out.
      episodes: Which episode each sample is of.
      frames: Which frame each is of, among which labels are shuffled; numbers need only differ between frames.
      strength: See `fit_ridge_classifier`.
      folds: Parts that episodes are split into, at random; at most as many as there are episodes.
      shuffles: Times that labels are shuffled; 0 for none, and `shuffled` is NaN.
      seed: Of folds and shuffles.

    Raises:
      ValueError: If there are fewer than three episodes or two classes with samples.

    >>> rng = np.random.default_rng(0)
    >>> labels, episodes = rng.integers(0, 2, 400), np.repeat(np.arange(10), 40)
    >>> telling = {"tells": labels[:, None] + rng.normal(size=(400, 3)), "noise": rng.normal(size=(400, 3))}
    >>> result = probe_encodings(telling, labels, episodes=episodes, frames=episodes)
    >>> round(result["tells"].accuracy, 1), round(result["noise"].accuracy, 1)
    (0.8, 0.5)
    """
    told = labels >= 0
    labels, episodes, frames = labels[told], episodes[told], frames[told]
    classes, places = np.unique(labels, return_inverse=True)
    numbers, groups = np.unique(episodes, return_inverse=True)
    if len(numbers) < _FEWEST_EPISODES or len(classes) < 2:
        raise ValueError(
            f"A probe needs samples of {_FEWEST_EPISODES} episodes and 2 classes, got {len(numbers)} and {len(classes)}."
        )
    rng = np.random.default_rng(seed)
    fold = (rng.permutation(len(numbers)) % min(folds, len(numbers)))[groups]
    mixed = [_shuffled_within(places, frames, rng) for _ in range(shuffles)]
    scores = {}
    for name, values in features.items():
        samples = values[told]
        right, count = _held_out_counts(samples, places, groups, fold, strength)
        accuracy = float(_balanced(right.sum(axis=0), count.sum(axis=0)))
        without = _balanced(right.sum(axis=0) - right, count.sum(axis=0) - count)
        low, high = jackknife_interval(accuracy, without, bounds=(0.0, 1.0))
        by_shuffle = [_held_out_counts(samples, each, groups, fold, strength) for each in mixed]
        shuffled = [float(_balanced(hit.sum(axis=0), of.sum(axis=0))) for hit, of in by_shuffle]
        scores[name] = ProbeScore(
            accuracy=accuracy,
            low=low,
            high=high,
            shuffled=float(np.mean(shuffled)) if shuffled else float("nan"),
            chance=1 / len(classes),
            classes=tuple(int(each) for each in classes),
            episodes=len(numbers),
            samples=len(labels),
        )
    return scores


def position_features(
    rows: Int[np.ndarray, " sample"], columns: Int[np.ndarray, " sample"], *, grid: tuple[int, int]
) -> Float[np.ndarray, "sample cell"]:
    """Returns one entry for each cell of the grid, 1 for the sample's own: what can be told from the place alone.

    >>> position_features(np.array([0, 1]), np.array([1, 0]), grid=(2, 2)).tolist()
    [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    """
    return np.eye(grid[0] * grid[1])[rows * grid[1] + columns]


def _held_out_counts(
    values: Float[np.ndarray, "sample embed"],
    labels: Int[np.ndarray, " sample"],
    groups: Int[np.ndarray, " sample"],
    fold: Int[np.ndarray, " sample"],
    strength: float,
) -> tuple[Int[np.ndarray, "episode answer"], Int[np.ndarray, "episode answer"]]:
    """Returns for each episode and class how many samples were found, and how many there are."""
    classes, numbers = range(int(labels.max()) + 1), np.unique(fold)
    shifted = values - values.mean(axis=0, dtype=np.float64)
    moments = [ClassMoments.of(shifted[fold == number], labels[fold == number], classes=classes) for number in numbers]
    total = functools.reduce(ClassMoments.plus, moments)
    answers = np.full(len(labels), -1)
    for number, held_out in zip(numbers, moments, strict=True):
        seen = total.plus(held_out, -1.0)
        # A class that only held-out episodes have cannot be found, and counts as not found.
        if (seen.counts > 0).sum() > 1:
            answers[fold == number] = seen.fit(classes=classes, strength=strength).predict(shifted[fold == number])
    shape = (int(groups.max()) + 1, int(labels.max()) + 1)
    cell = groups * shape[1] + labels
    right = np.bincount(cell, weights=answers == labels, minlength=shape[0] * shape[1])
    count = np.bincount(cell, minlength=shape[0] * shape[1])
    return right.reshape(shape).astype(int), count.reshape(shape)


def _balanced(
    right: Int[np.ndarray, "*batch answer"], count: Int[np.ndarray, "*batch answer"]
) -> Float[np.ndarray, "*batch"]:
    """Returns the mean over classes of the part that was found; a class that was not drawn is left out."""
    return np.asarray(np.nanmean(np.where(count > 0, right / np.maximum(count, 1), np.nan), axis=-1))


def _shuffled_within(
    labels: Int[np.ndarray, " sample"], frames: Int[np.ndarray, " sample"], rng: np.random.Generator
) -> Int[np.ndarray, " sample"]:
    # Sorted by frame, and within a frame at random: each frame's labels are dealt out anew among its own samples.
    order, mixed = np.argsort(frames, kind="stable"), np.lexsort((rng.random(len(labels)), frames))
    shuffled = np.empty_like(labels)
    shuffled[order] = labels[mixed]
    return shuffled
