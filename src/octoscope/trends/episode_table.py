"""What each episode of a collection comes to: the mean over its steps, or over those of each phase, of every cell and measure.

A summary is read, reduced and forgotten; a run of 144 heads and 20 measures leaves 12 kB here, 60 kB with phases.
"""

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from octoscope.array_typing import Float32
from octoscope.errors import RunError
from octoscope.trends.phases import PHASES, PhaseRule, phases_of
from octoscope.trends.run_summary import RunSummary
from octoscope.trends.task_words import task_of, verb_and_object

WHOLE = ("whole episode",)
# Names of an outcome, as tables have them.
_OUTCOMES = {
    "success": True,
    "true": True,
    "1": True,
    "yes": True,
    "failure": False,
    "fail": False,
    "false": False,
    "0": False,
    "no": False,
}

Cell = tuple[str, str, int, int]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class EpisodeLabel:
    """What one run is of."""

    path: str
    policy: str
    # SHA-256 of its parameters, or its name where the run does not say.
    policy_key: str
    # Tells whether two runs are of the same recording.
    episode_key: str
    episode: str
    dataset: str
    task: str
    verb: str
    thing: str
    length: int
    # True for success; None where nobody says.
    outcome: bool | None = None


@dataclass(frozen=True, eq=False)
class EpisodeTable:
    """Episodes, in order, by cell and measure; NaN where nothing is known."""

    labels: tuple[EpisodeLabel, ...]
    # "whole episode" alone, or the phases.
    parts: tuple[str, ...]
    # Stack, query group, layer, head.
    cells: tuple[Cell, ...]
    measures: tuple[str, ...]
    values: Float32[np.ndarray, "episode part cell measure"]
    # Under even attention.
    even: Float32[np.ndarray, "episode part cell measure"]
    # Under the episode's mean map.
    template: Float32[np.ndarray, "episode part cell measure"]
    # Steps in each part.
    steps: Float32[np.ndarray, "episode part"]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, in their order."""
        return tuple(dict.fromkeys(label.task for label in self.labels))

    @property
    def task_numbers(self) -> np.ndarray:
        """Place of each episode's task in `tasks`."""
        places = {task: place for place, task in enumerate(self.tasks)}
        return np.array([places[label.task] for label in self.labels], int)


@dataclass
class TableBuilder:
    """Takes summaries one after another."""

    # None for whole episodes.
    rule: PhaseRule | None = None
    outcomes: Mapping[str, bool] = field(default_factory=dict)
    _labels: list[EpisodeLabel] = field(default_factory=list)
    _cells: dict[Cell, int] = field(default_factory=dict)
    _measures: dict[str, int] = field(default_factory=dict)
    _rows: list[tuple[np.ndarray, np.ndarray, list[np.ndarray]]] = field(default_factory=list)

    def add(self, path: Path, summary: RunSummary) -> None:
        """Takes one run."""
        verb, thing = verb_and_object(summary.instruction, summary.dataset)
        label = EpisodeLabel(
            str(path),
            summary.policy,
            summary.policy_sha256 or summary.policy,
            summary.episode_sha256 or summary.episode,
            summary.episode,
            summary.dataset,
            task_of(summary.instruction),
            verb,
            thing,
            summary.episode_length,
            _outcome(self.outcomes, path, summary.episode),
        )
        self._labels.append(label)
        cells = np.array([self._cells.setdefault(cell, len(self._cells)) for cell in summary.heads], int)
        measures = np.array([self._measures.setdefault(name, len(self._measures)) for name in summary.measures], int)
        self._rows.append((cells, measures, _reduced(summary, self.rule)))

    def table(self) -> EpisodeTable:
        """Returns the table.

        Raises:
          RunError: If no run was taken.
        """
        if not self._rows:
            raise RunError("There is no run to compare. Give runs, folders of runs, or a collection.")
        parts = WHOLE if self.rule is None else PHASES
        shape = (len(self._rows), len(parts), len(self._cells), len(self._measures))
        arrays = [np.full(shape, np.nan, np.float32) for _ in range(3)]
        counts = np.zeros(shape[:2], np.float32)
        for episode, (cells, measures, reduced) in enumerate(self._rows):
            for target, values in zip(arrays, reduced, strict=False):
                target[episode][:, cells[:, None], measures] = values
            counts[episode] = reduced[3]
        values, even, template = arrays
        return EpisodeTable(
            tuple(self._labels), parts, tuple(self._cells), tuple(self._measures), values, even, template, counts
        )


def read_outcomes(path: Path) -> dict[str, bool]:
    """Returns whether episodes succeeded, from a CSV with the columns "episode" (or "run") and "outcome".

    Raises:
      RunError: If it cannot be read, lacks a column, or an outcome is neither success nor failure.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"The outcomes in {path} cannot be read ({error}).") from None
    outcomes: dict[str, bool] = {}
    for number, row in enumerate(rows, start=2):
        name, told = row.get("episode") or row.get("run"), str(row.get("outcome") or "").strip().casefold()
        if not name or told not in _OUTCOMES:
            raise RunError(
                f"{path}, line {number}: expected the columns 'episode' (or 'run') and 'outcome' with one of {', '.join(_OUTCOMES)}; "
                f"got {name!r} and {told!r}."
            )
        outcomes[name] = _OUTCOMES[told]
    return outcomes


def _outcome(outcomes: Mapping[str, bool], path: Path, episode: str) -> bool | None:
    return next((outcomes[name] for name in (episode, str(path), path.name, path.stem) if name in outcomes), None)


def _reduced(summary: RunSummary, rule: PhaseRule | None) -> list[np.ndarray]:
    """Returns values, even attention, template (part, cell, measure), and steps of each part.

    Steps whose window holds padded history count only where there are no others: their shares are of other keys.
    """
    counted = ~np.array(summary.padded, bool)
    counted = counted if counted.any() else np.ones(len(counted), bool)
    phases = None if rule is None else phases_of(summary.motion, rule)
    parts = [counted] if phases is None else [counted & (phases == place) for place in range(len(PHASES))]
    groups = np.repeat(np.arange(len(summary.groups)), [group.size for group in summary.groups])
    means = [
        np.stack([_mean(array[part]) for part in parts]) for array in (summary.values, summary.even, summary.template)
    ]
    means[1] = means[1][:, groups]
    return [*means, np.array([part.sum() for part in parts], np.float32)]


def _mean(values: np.ndarray) -> np.ndarray:
    """Returns the mean over the first axis, of what is known; NaN where nothing is."""
    unknown = np.isnan(values)
    if not unknown.any() and len(values):
        return values.mean(axis=0)
    count = len(values) - unknown.sum(axis=0)
    total = np.where(unknown, 0.0, values).sum(axis=0)
    return np.where(count > 0, total / np.maximum(1, count), np.nan).astype(np.float32)


def table_of(
    summaries: Iterable[tuple[Path, RunSummary]], rule: PhaseRule | None = None, **given: Mapping[str, bool]
) -> EpisodeTable:
    """Returns the table of some summaries."""
    builder = TableBuilder(rule, **given)
    for path, summary in summaries:
        builder.add(path, summary)
    return builder.table()
