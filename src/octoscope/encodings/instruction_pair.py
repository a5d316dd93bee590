"""Two instructions side by side: where their words part, and where the difference arrives in the rest of the sequence."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float
from octoscope.encodings.residual_stream import holds_rows, point_rows, residual_points
from octoscope.encodings.word_stages import WordStages
from octoscope.errors import SelectionError
from octoscope.runs.run import Run


@dataclass(frozen=True, eq=False)
class WordPairs:
    """Words of two instructions that stand for each other, and how far apart they are at every stage."""

    # (word of the first, word of the second).
    pairs: tuple[tuple[str, str], ...]
    # Words of either instruction that have no counterpart.
    alone: tuple[tuple[str, ...], tuple[str, ...]]
    stages: tuple[str, ...]
    spaces: tuple[str, ...]
    copy: str
    # Between the two words of a pair, over the mean distance between two words of one instruction at that stage: 1 is as far apart as
    # two different words are.
    distance: Float[np.ndarray, "stage pair"]
    cosine: Float[np.ndarray, "stage pair"]

    @property
    def labels(self) -> tuple[str, ...]:
        """The pairs as people write them: "cube", "red | blue"."""
        return tuple(first if first == second else f"{first} | {second}" for first, second in self.pairs)


@dataclass(frozen=True, eq=False)
class GroupDifference:
    """How far one token group of two runs is apart, layer by layer."""

    # "readout_action".
    group: str
    # "input", then layers.
    stages: tuple[str, ...]
    steps: tuple[int, ...]
    # Length of the difference over the mean length of the two, mean over the tokens of the group at the current timestep.
    distance: Float[np.ndarray, "step stage"]
    # The same between one step of the first run and the next, mean over steps: what time alone does. NaN of a single step.
    from_step_to_step: Float[np.ndarray, " stage"]


def align_words(first: Sequence[str], second: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Returns the places of words that stand for each other: equal ones in order, and between them as many replaced by as many.

    >>> align_words(["the", "red", "cube"], ["the", "dark", "blue", "cube"]), align_words(["red", "cube"], ["blue", "cube"])
    (((0, 0), (2, 3)), ((0, 0), (1, 1)))
    """
    pairs: list[tuple[int, int]] = []
    matcher = difflib.SequenceMatcher(None, list(first), list(second), autojunk=False)
    for kind, start, stop, other_start, other_stop in matcher.get_opcodes():
        if kind == "equal" or (kind == "replace" and stop - start == other_stop - other_start):
            pairs += zip(range(start, stop), range(other_start, other_stop), strict=True)
    return tuple(pairs)


def compare_words(first: WordStages, second: WordStages) -> WordPairs:
    """Returns how far the words of two instructions are apart at every stage that both have.

    Args:
      first: One instruction.
      second: Another, of the same policy.

    Raises:
      SelectionError: If the two have no stage, or no word, that stand for each other.
    """
    places = align_words(first.words, second.words)
    others = {stage.point: stage for stage in second.stages}
    both = [(stage, others[stage.point]) for stage in first.stages if stage.point in others]
    if not both or not places:
        raise SelectionError("The two instructions have no stage or no word in common: give runs of one policy.")
    left, right = (list(part) for part in zip(*places, strict=True))
    distances, cosines = [], []
    for a, b in both:
        apart = np.linalg.norm(a.encodings[left] - b.encodings[right], axis=-1)
        distances.append(apart / _mean_distance(a.encodings, b.encodings))
        lengths = np.linalg.norm(a.encodings[left], axis=-1) * np.linalg.norm(b.encodings[right], axis=-1)
        together = np.einsum("te,te->t", a.encodings[left], b.encodings[right])
        cosines.append(np.divide(together, lengths, out=np.full(lengths.shape, np.nan), where=lengths > 0))
    return WordPairs(
        tuple((first.words[a], second.words[b]) for a, b in places),
        (
            tuple(word for place, word in enumerate(first.words) if place not in left),
            tuple(word for place, word in enumerate(second.words) if place not in right),
        ),
        tuple(stage.name for stage, _ in both),
        tuple(stage.space for stage, _ in both),
        first.copy,
        np.stack(distances),
        np.stack(cosines),
    )


def group_differences(first: Run, second: Run, *, groups: Sequence[str] | None = None) -> tuple[GroupDifference, ...]:
    """Returns how far every token group of two runs is apart after each layer: where another instruction arrives.

    Args:
      first: A run with "blocks.*.residual", and "blocks.input" for the start.
      second: The same episode and steps under another instruction.
      groups: Only these; all by default.

    Raises:
      SelectionError: If the runs hold other steps or layouts, or no residual stream.
    """
    if first.steps != second.steps or first.layout.spans != second.layout.spans:
        raise SelectionError("Both runs must be of one policy and hold the same steps and tokens.")
    stored = {point.name for point in second.encoding_points}
    points = {depth: point for depth, point in residual_points(first).items() if point.name in stored}
    if not points:
        raise SelectionError("The second run holds no residual stream: capture it as that of the first.")
    streams = [(first.encoding(point.name), second.encoding(point.name)) for point in points.values()]
    point = next(iter(points.values()))
    depths = tuple(depth.removeprefix("block ") for depth in points)
    differences: list[GroupDifference] = []
    own = [group for group in first.layout.groups if holds_rows(first, point.stack, group)]
    for group in own if groups is None else groups:
        places = point_rows(first, point, first.layout.select(group, timestep=-1))
        parts = [(a[:, places], b[:, places]) for a, b in streams]
        between = np.stack([_relative(a, b) for a, b in parts], axis=-1)
        several = len(first.steps) > 1
        stepwise = [_relative(a[:-1], a[1:]).mean() if several else np.nan for a, _ in parts]
        differences.append(GroupDifference(group, depths, first.steps, between, np.array(stepwise)))
    return tuple(differences)


def _relative(a: Float[np.ndarray, "step token embed"], b: Float[np.ndarray, "step token embed"]) -> np.ndarray:
    lengths = (np.linalg.norm(a, axis=-1) + np.linalg.norm(b, axis=-1)) / 2
    apart = np.linalg.norm(a - b, axis=-1)
    return np.divide(apart, lengths, out=np.zeros(apart.shape), where=lengths > 0).mean(axis=-1)


def _mean_distance(*instructions: Float[np.ndarray, "_ embed"]) -> float:
    """Returns the mean distance between two different words of one instruction; NaN where each has but one."""
    distances: list[float] = []
    for encodings in instructions:
        rows, columns = np.triu_indices(len(encodings), k=1)
        distances += np.linalg.norm(encodings[rows] - encodings[columns], axis=-1).tolist()
    return float(np.mean(distances)) if distances else float("nan")
