"""The pictures behind the claims of a trend: raw attention of the layer that a claim is of, in an example of either side."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from octoscope.errors import OctoscopeError
from octoscope.runs.run import Run
from octoscope.trends.contrasts import NAMED_OBJECT, label_of
from octoscope.trends.episode_table import EpisodeTable
from octoscope.trends.phases import PHASES, PhaseRule, phases_of
from octoscope.trends.summary_file import read_summary
from octoscope.trends.trend import Trend
from octoscope.views.attention_sheet import attention_sheet
from octoscope.views.report_content import ReportFigure, ReportPart

# More than so many heads, and a sheet shows the one that is meant.
_MOST_HEADS = 6


@dataclass(frozen=True)
class _Example:
    """One step of one run, that stands for a side of a comparison."""

    path: str
    step: int
    side: str


@dataclass
class TrendAlbum:
    """Pictures that claims are linked to; claims of one layer share theirs."""

    table: EpisodeTable
    rule: PhaseRule | None
    figures: dict[str, ReportFigure] = field(default_factory=dict)
    _examples: dict[tuple[str, int], list[_Example]] = field(default_factory=dict)
    # Name of each sheet by what is on it; "" where there is no map to draw.
    _names: dict[tuple[object, ...], str] = field(default_factory=dict)

    def link(self, trend: Trend, at: int, *, small: bool = False) -> str:
        """Returns the name of the first figure behind an entry, after drawing it where it is new; "" where there is none.

        Args:
          trend: Its differences.
          at: The entry.
          small: A new figure is small, and shows neighbouring heads too, so that few serve many entries.
        """
        key = trend.by, int(trend.contrast[at])
        if key not in self._examples:
            self._examples[key] = _examples(self.table, self.rule, trend, at)
        names = [self._sheet(trend, at, example, small=small) for example in self._examples[key]]
        return next((name for name in names if name), "")

    def part(self) -> ReportPart:
        """Returns the part of all pictures."""
        return ReportPart(
            "pictures",
            "The pictures behind it",
            "Raw attention after mask and softmax, of the layers of the claims above, in the episode whose value lies in the middle of its "
            "side. A picture is one step of one episode; the numbers are of all.",
            figures=list(self.figures.values()),
        )

    def _sheet(self, trend: Trend, at: int, example: _Example, *, small: bool) -> str:
        stack, group, layer, head = trend.cells[trend.cell[at]]
        try:
            run = Run.open(example.path).of_stack(stack)
            heads = None if run.num_heads <= _MOST_HEADS else _neighbours(head, run.num_heads) if small else [head]
            key = example, stack, group, layer, None if heads is None else tuple(heads)
            if key not in self._names:
                self._names[key] = f"picture-{len(self.figures)}"
                sheet = attention_sheet(run, step=example.step, layer=layer, query=group, heads=heads)
                caption = (
                    f"{example.side}: step {example.step} of {run.manifest['episode']} ({example.path}), {stack}, layer {layer}, "
                    f"{_told_heads(heads)} of {group}."
                )
                self.figures[self._names[key]] = ReportFigure(self._names[key], sheet, caption, small)
        except OctoscopeError:
            # Some rows see no image: words in front, say.
            return ""
        return self._names[key] if self._names[key] in self.figures else ""


def _neighbours(head: int, count: int) -> list[int]:
    first = head // _MOST_HEADS * _MOST_HEADS
    return list(range(first, min(first + _MOST_HEADS, count)))


def _told_heads(heads: list[int] | None) -> str:
    if heads is None:
        return "every head"
    return f"head {heads[0]}" if len(heads) == 1 else f"heads {heads[0]} to {heads[-1]}"


def _examples(table: EpisodeTable, rule: PhaseRule | None, trend: Trend, at: int) -> list[_Example]:
    """Returns an example of either side: the episode in the middle of its side, by the entry's own measure."""
    level, against = trend.levels[trend.contrast[at]], trend.against[trend.contrast[at]]
    measure = table.measures.index(trend.measures[trend.measure[at]])
    values = table.values[:, :, table.cells.index(trend.cells[trend.cell[at]]), measure]
    if trend.by == "phase":
        place = PHASES.index(level)
        path = table.labels[_middle(values[:, place], np.arange(len(values)))].path
        steps, phases = _steps(path, rule)
        wanted = ((phases == place, level), ((phases >= 0) & (phases != place), against))
        return [_Example(path, _central(steps[chosen]), side) for chosen, side in wanted if chosen.any()]
    first = values[:, 0] if values.shape[1] == 1 else _mean_of_parts(values)
    paths = [
        (table.labels[_middle(first, members)].path, side)
        for members, side in _sides(table, trend.by, level, against)
        if len(members)
    ]
    return [_Example(path, _central(_steps(path, None)[0]), side) for path, side in paths]


def _sides(table: EpisodeTable, by: str, level: str, against: str) -> list[tuple[np.ndarray, str]]:
    if by == NAMED_OBJECT:
        return [(np.arange(len(table.labels)), level)]
    first = table.labels[0].policy_key
    member = {
        "policy": [label.policy_key != first for label in table.labels],
        "outcome": [label.outcome is True for label in table.labels],
    }.get(by) or [label_of(label, by) == level for label in table.labels]
    return [(np.flatnonzero(member), level), (np.flatnonzero(~np.array(member)), against)]


def _mean_of_parts(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=1) / np.maximum(1, count), np.nan)


def _middle(values: np.ndarray, members: np.ndarray) -> int:
    """Returns the member whose value is the middle one; of none that is known, the first."""
    known = members[~np.isnan(values[members])]
    return int(known[np.argsort(values[known])[len(known) // 2]]) if len(known) else int(members[0])


def _central(steps: np.ndarray) -> int:
    return int(steps[len(steps) // 2])


def _steps(path: str, rule: PhaseRule | None) -> tuple[np.ndarray, np.ndarray]:
    """Returns a run's steps without padded history, where there are any, and their phases."""
    summary = read_summary(Path(path))
    kept = ~np.array(summary.padded, bool)
    kept = kept if kept.any() else np.ones(len(kept), bool)
    return np.array(summary.steps)[kept], phases_of(summary.motion, rule or PhaseRule())[kept]
