"""How word pieces change from stage to stage: length, direction, distance from each other, and which of them merge."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float
from octoscope.encodings.word_stages import WordStages


@dataclass(frozen=True, eq=False)
class WordMeasures:
    """Figures of every word piece at every stage."""

    words: tuple[str, ...]
    # Names of the stages, and the space of each.
    stages: tuple[str, ...]
    spaces: tuple[str, ...]
    # Which copy of the instruction.
    copy: str
    # Whether cosines are between the words' deviations from their mean at that stage; norms and movements never are.
    centred: bool
    # Part of the squared lengths that all words have in common: that of their mean over the mean of theirs.
    common: Float[np.ndarray, " stage"]
    # Euclidean length.
    norm: Float[np.ndarray, "stage token"]
    # With the same word at the first stage of the space; 1 there.
    cosine_to_start: Float[np.ndarray, "stage token"]
    # Length of the step from the stage before over the length there; NaN at the first stage of a space.
    movement: Float[np.ndarray, "stage token"]
    # Between all words; 1 on the diagonal.
    cosine: Float[np.ndarray, "stage token token"]

    @property
    def mean_cosine_to_others(self) -> Float[np.ndarray, "stage token"]:
        """The mean cosine of each word with all others; NaN of a single word."""
        count = len(self.words)
        others = self.cosine.sum(axis=-1) - np.einsum("stt->st", self.cosine)
        return others / (count - 1) if count > 1 else np.full(others.shape, np.nan)


@dataclass(frozen=True)
class Merge:
    """Two words that are alike from some stage of a space on, to its end."""

    first: str
    second: str
    space: str
    # The first stage from which on they are; the last stage of the space is the end.
    stage: str
    # At the last stage of the space.
    cosine: float
    # Mean over all pairs of words there: what any two words have.
    mean_cosine: float


def measure_words(words: WordStages, *, centred: bool = False) -> WordMeasures:
    """Returns norms, cosines and movements of all words at all stages.

    Where all words share a large part (`common` near 1), every cosine is near 1 and tells nothing of the words: look at the centred ones
    then. Of unrelated words these are -1 / (words - 1) on average, not 0.

    Args:
      words: From `word_stages`.
      centred: Take the mean of all words at a stage away before cosines are taken; nothing is taken away by default.

    >>> from octoscope.encodings.word_stages import Stage
    >>> stages = (Stage("embedding", "T5", "", np.eye(2)), Stage("layer 0", "T5", "", np.array([[2.0, 0.0], [1.0, 1.0]])))
    >>> measures = measure_words(WordStages(("red", "cube"), stages, "words in front"))
    >>> measures.cosine_to_start.round(2).tolist(), measures.movement[1].tolist()
    ([[1.0, 1.0], [1.0, 0.71]], [1.0, 1.0])
    """
    to_start, movement = [], []
    for index, stage in enumerate(words.stages):
        start = words.of_space(stage.space)[0].encodings
        to_start.append(np.einsum("te,te->t", *(_directions(part, centred) for part in (stage.encodings, start))))
        before = words.stages[index - 1] if index else None
        if before is None or before.space != stage.space:
            movement.append(np.full(len(words.words), np.nan))
        else:
            moved = np.linalg.norm(stage.encodings - before.encodings, axis=-1)
            movement.append(_ratio(moved, np.linalg.norm(before.encodings, axis=-1)))
    return WordMeasures(
        words.words,
        tuple(stage.name for stage in words.stages),
        tuple(stage.space for stage in words.stages),
        words.copy,
        centred,
        np.array([_common_part(stage.encodings) for stage in words.stages]),
        np.stack([np.linalg.norm(stage.encodings, axis=-1) for stage in words.stages]),
        np.stack(to_start),
        np.stack(movement),
        np.stack(
            [np.einsum("te,ue->tu", *[_directions(stage.encodings, centred)] * 2) for stage in words.stages],
        ),
    )


def merging_words(measures: WordMeasures, *, threshold: float = 0.9) -> tuple[Merge, ...]:
    """Returns the pairs of words whose cosine is at least `threshold` at the end of a space, and since which stage without a break.

    A high cosine is no merging where all words have one: each pair carries the mean over all pairs beside it.

    Args:
      measures: From `measure_words`.
      threshold: Of the cosine, in -1..1.

    Raises:
      ValueError: If `threshold` is outside -1..1.

    >>> from octoscope.encodings.word_stages import Stage
    >>> alike = np.array([[1.0, 0.1], [1.0, 0.0]])
    >>> stages = (Stage("embedding", "T5", "", np.eye(2)), Stage("layer 0", "T5", "", alike))
    >>> [merge.stage for merge in merging_words(measure_words(WordStages(("red", "cube"), stages, "")))]
    ['layer 0']
    """
    if not -1.0 <= threshold <= 1.0:
        raise ValueError(f"`threshold` must be in -1..1, got {threshold}.")
    merges: list[Merge] = []
    for space in dict.fromkeys(measures.spaces):
        places = [place for place, other in enumerate(measures.spaces) if other == space]
        cosine = measures.cosine[places]
        rows, columns = np.triu_indices(len(measures.words), k=1)
        mean = float(cosine[-1][rows, columns].mean()) if len(rows) else float("nan")
        for row, column in zip(rows, columns, strict=True):
            alike = cosine[:, row, column] >= threshold
            if alike[-1]:
                since = len(alike) - int(np.argmin(alike[::-1])) if not alike.all() else 0
                merges.append(
                    Merge(
                        measures.words[row],
                        measures.words[column],
                        space,
                        measures.stages[places[since]],
                        float(cosine[-1, row, column]),
                        mean,
                    )
                )
    return tuple(sorted(merges, key=lambda merge: (_order(measures, merge.space), -merge.cosine)))


def _order(measures: WordMeasures, space: str) -> int:
    return measures.spaces.index(space)


def _directions(encodings: Float[np.ndarray, "token embed"], centred: bool) -> Float[np.ndarray, "token embed"]:
    """Returns the encodings at length 1; NaN for one of length 0, which has no direction."""
    exact = encodings.astype(np.float64)
    exact = exact - exact.mean(axis=0) if centred else exact
    norms = np.linalg.norm(exact, axis=-1, keepdims=True)
    return np.divide(exact, norms, out=np.full(exact.shape, np.nan), where=norms > 0)


def _common_part(encodings: Float[np.ndarray, "token embed"]) -> float:
    exact = encodings.astype(np.float64)
    whole = float(np.square(exact).sum(axis=-1).mean())
    return float(np.square(exact.mean(axis=0)).sum()) / whole if whole else float("nan")


def _ratio(part: Float[np.ndarray, " token"], whole: Float[np.ndarray, " token"]) -> Float[np.ndarray, " token"]:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def movement_summary(measures: WordMeasures, *, skip: Sequence[str] = ()) -> dict[str, float]:
    """Returns the mean movement at each stage over all words but some, by "space stage"; stages without one are left out.

    Args:
      measures: From `measure_words`.
      skip: Words that do not count.
    """
    places = [place for place, word in enumerate(measures.words) if word not in skip]
    named = zip(measures.spaces, measures.stages, measures.movement, strict=True)
    return {
        f"{space} {stage}": float(row[places].mean()) for space, stage, row in named if not np.isnan(row[places]).any()
    }
