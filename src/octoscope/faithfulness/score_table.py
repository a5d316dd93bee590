"""The table of faithfulness: every method's scores over episodes, with intervals, and its costs."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from octoscope.array_typing import Float, UInt8
from octoscope.errors import SelectionError, nearest

# Score -> (which direction is better, what it is).
SCORES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "deletion AUC": ("lower", "closeness of the action while the largest cells are taken away"),
        "insertion AUC": ("higher", "closeness of the action while the largest cells are given back"),
        "Pearson": ("higher", "correlation with occlusion by another fill, over cells"),
        "Spearman": ("higher", "rank correlation with occlusion by another fill, over cells"),
        "mass ratio": ("higher", "part of the map on the named object"),
        "top-10 % IoU": (
            "higher",
            "overlap of the largest tenth of the cells with those that the named object touches",
        ),
        "pointing game": ("higher", "how often the largest cell touches the named object"),
    }
)


@dataclass(frozen=True)
class Score:
    """A mean over episodes with its 95 % interval; NaN where there is none."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        """Returns "0.41 (0.35..0.48)"."""
        if np.isnan(self.mean):
            return "-"
        return f"{self.mean:.3f}" + ("" if np.isnan(self.low) else f" ({self.low:.3f}..{self.high:.3f})")


@dataclass(frozen=True, eq=False)
class MethodScores:
    """One method's line."""

    method: str
    # By name of SCORES.
    scores: Mapping[str, Score]
    # What one step costs.
    cost: str
    # Means over episodes; closeness at each fraction.
    deletion: Float[np.ndarray, " point"]
    insertion: Float[np.ndarray, " point"]


@dataclass(frozen=True, eq=False)
class ExampleStep:
    """One step's maps, for the picture."""

    episode: str
    step: int
    instruction: str
    # The policy's picture of each camera, and every method's map on it.
    pictures: Mapping[str, UInt8[np.ndarray, "_ _ channel"]]
    maps: Mapping[str, Mapping[str, Float[np.ndarray, "_ _"]]]


@dataclass(frozen=True, eq=False)
class FaithfulnessTable:
    """All methods, scored on the same steps."""

    policy: str
    note: str
    dataset: str
    # What was done, in sentences.
    settings: Sequence[str]
    episodes: int
    steps: int
    fractions: Float[np.ndarray, " point"]
    methods: Sequence[MethodScores]
    example: ExampleStep

    def of(self, method: str) -> MethodScores:
        """Returns a method's line.

        Raises:
          SelectionError: If it was not scored.
        """
        names = [line.method for line in self.methods]
        if method not in names:
            raise SelectionError(f"'{method}' was not scored, only {', '.join(names)}.{nearest(method, names)}")
        return self.methods[names.index(method)]

    def to_markdown(self) -> str:
        """Returns the table, with what it is of."""
        known = [name for name in SCORES if any(not np.isnan(line.scores[name].mean) for line in self.methods)]
        heads = [f"{name} ({SCORES[name][0]})" for name in known]
        lines = [
            f"# Faithfulness of maps: {self.policy} on {self.dataset}",
            "",
            f"{self.steps} steps of {self.episodes} episodes; means with 95 % bootstrap intervals over episodes. "
            + " ".join(self.settings),
            *(["", self.note] if self.note else []),
            "",
            f"| method | {' | '.join(heads)} | cost of a step |",
            f"|---|{'---|' * len(heads)}---|",
        ]
        for line in self.methods:
            cells = " | ".join(str(line.scores[name]) for name in known)
            lines.append(f"| {line.method} | {cells} | {line.cost} |")
        lines += ["", *(f"- {name}: {SCORES[name][1]}; {SCORES[name][0]} is better." for name in known)]
        return "\n".join(lines)

    def to_csv(self) -> str:
        """Returns one line for each method and score."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["method", "score", "better", "mean", "low", "high", "cost of a step"])
        for line in self.methods:
            for name, score in line.scores.items():
                numbers = [f"{value:.6g}" for value in (score.mean, score.low, score.high)]
                rows.writerow([line.method, name, SCORES[name][0], *numbers, line.cost])
        return text.getvalue()

    def curves_csv(self) -> str:
        """Returns one line for each method, curve and fraction."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["method", "curve", "fraction", "closeness"])
        for line in self.methods:
            for name, curve in (("deletion", line.deletion), ("insertion", line.insertion)):
                rows.writerows(
                    [line.method, name, f"{at:.4g}", f"{value:.6g}"]
                    for at, value in zip(self.fractions, curve, strict=True)
                )
        return text.getvalue()
