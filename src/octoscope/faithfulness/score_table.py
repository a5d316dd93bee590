"""The table of faithfulness: every method's scores over episodes, with intervals, and its costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from octoscope.array_typing import Float, UInt8
from octoscope.errors import SelectionError, nearest
from octoscope.escaping.markdown import markdown_text
from octoscope.faithfulness.methods import DIRECT, StepCost, method_label
from octoscope.runs.column_table import ColumnTable

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
    # Of one step.
    cost: StepCost
    # Means over episodes; closeness at each fraction.
    deletion: Float[np.ndarray, " point"]
    insertion: Float[np.ndarray, " point"]

    @property
    def label(self) -> str:
        """What tables and pictures call it: "readout gradients (direct path only)"."""
        return method_label(self.method)


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
            f"# {markdown_text(f'Faithfulness of maps: {self.policy} on {self.dataset}')}",
            "",
            f"{self.steps} steps of {self.episodes} episodes; means with 95 % bootstrap intervals over episodes. "
            + " ".join(self.settings),
            *(["", markdown_text(self.note)] if self.note else []),
            "",
            f"| method | {' | '.join(heads)} | forwards | backwards | readout passes |",
            f"|---|{'---|' * len(heads)}---|---|---|",
        ]
        for line in self.methods:
            cells = " | ".join(str(line.scores[name]) for name in known)
            lines.append(f"| {line.label} | {cells} | {' | '.join(_cost_cells(line.cost))} |")
        lines += [
            "",
            *(f"- {name}: {SCORES[name][1]}; {SCORES[name][0]} is better." for name in known),
            *self._cost_notes(),
        ]
        return "\n".join(lines)

    def _cost_notes(self) -> list[str]:
        lines = ["- Forwards, backwards: of the whole policy, for one step of that method alone."]
        if any(line.method in DIRECT for line in self.methods):
            lines.append(
                "- Direct path only: exact for what reaches the action through the readout's own attention, blind to what other tokens "
                "pass on. Readout passes: the readout's rows and the action head alone, over the keys and values of one forward."
            )
        return lines + [f"- {line.label} also takes {line.cost.learnt}." for line in self.methods if line.cost.learnt]

    def score_columns(self) -> ColumnTable:
        """Returns a row for each method and score, with what one step costs."""
        rows = [(line, name, score) for line in self.methods for name, score in line.scores.items()]
        return ColumnTable(
            {
                "method": [line.method for line, _, _ in rows],
                "path": ["direct" if line.method in DIRECT else "all" for line, _, _ in rows],
                "score": [name for _, name, _ in rows],
                "better": [SCORES[name][0] for _, name, _ in rows],
                "mean": [score.mean for _, _, score in rows],
                "low": [score.low for _, _, score in rows],
                "high": [score.high for _, _, score in rows],
                "forwards": [line.cost.forwards for line, _, _ in rows],
                "backwards": [line.cost.backwards for line, _, _ in rows],
                "readout passes": [line.cost.readout_passes for line, _, _ in rows],
                "readout backwards": [line.cost.readout_backwards for line, _, _ in rows],
                "learnt from": [line.cost.learnt for line, _, _ in rows],
            }
        )

    def curve_columns(self) -> ColumnTable:
        """Returns a row for each method, curve and fraction."""
        rows = [
            (line.method, name, float(at), float(value))
            for line in self.methods
            for name, curve in (("deletion", line.deletion), ("insertion", line.insertion))
            for at, value in zip(self.fractions, curve, strict=True)
        ]
        methods, names, fractions, values = (list(column) for column in zip(*rows, strict=True))
        return ColumnTable({"method": methods, "curve": names, "fraction": fractions, "closeness": values})


def _cost_cells(cost: StepCost) -> list[str]:
    passes = str(cost.readout_passes or "-") + (f", {cost.readout_backwards} back" if cost.readout_backwards else "")
    return [str(cost.forwards or "-"), str(cost.backwards or "-"), passes]
