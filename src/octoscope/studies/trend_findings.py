"""What findings beside the runs say of words and ablations: a table over tasks, with intervals."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from octoscope.errors import FindingError
from octoscope.faithfulness.language_table import EpisodeLanguage, LanguageTable
from octoscope.faithfulness.score_table import Score
from octoscope.intervals import FEWEST
from octoscope.interventions.effects import StepEffects
from octoscope.runs.findings.find_findings import find_findings
from octoscope.runs.findings.finding_folder import read_finding
from octoscope.studies.ablate import ABLATION
from octoscope.studies.language import LANGUAGE
from octoscope.trends.task_words import task_of
from octoscope.views.report_content import ReportPart, ReportTable

_MOST_ROWS = 40
_CHANGES = (0.0, np.inf)
# What is measured of words: name of the values, what it is called, between which it lies.
_LANGUAGE = (
    ("swapped", "other instructions", _CHANGES),
    ("silent", "no instruction", _CHANGES),
    ("shuffled", "words shuffled", _CHANGES),
    ("share", "share of attention on words", (0.0, 1.0)),
    ("even_share", "the same under even attention", (0.0, 1.0)),
)
_HEAD = ("what is changed", "change of the action", "n", "other noise", "random places")


@dataclass
class _Values:
    """Values of one row: with the task and the episode of each."""

    tasks: list[str] = field(default_factory=list)
    episodes: list[str] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    noise: list[float] = field(default_factory=list)
    controls: list[float] = field(default_factory=list)

    def add(
        self, instruction: str, episode: str, value: float, *, noise: float, controls: float = float("nan")
    ) -> None:
        """Takes one step, or the mean over those of an episode."""
        self.tasks.append(task_of(instruction))
        self.episodes.append(episode)
        for values, number in ((self.values, value), (self.noise, noise), (self.controls, controls)):
            values.append(float(number))

    def row(self, label: str, bounds: tuple[float, float]) -> list[str]:
        """Returns the row: each task is the mean of its episodes, and everything is over tasks."""
        owners = [list(dict.fromkeys(self.tasks)).index(task) for task in self.tasks]
        scores = [
            Score.over(owners, self._by_episode(values), bounds=bounds)
            for values in (self.values, self.noise, self.controls)
        ]
        units = f"{len(set(owners))} ({len(set(zip(owners, self.episodes, strict=True)))})"
        return [label, _told(scores[0]), units, *map(_told, scores[1:])]

    def _by_episode(self, values: Sequence[float]) -> list[float]:
        """Returns of each value the mean of its episode, so that an episode of many steps counts once beside others of its task."""
        numbers, names = np.array(values), np.array(self.episodes)
        means = {name: _known_mean(numbers[names == name]) for name in set(self.episodes)}
        seen: set[str] = set()
        told: list[float] = []
        for name in self.episodes:
            told.append(float("nan") if name in seen else means[name])
            seen.add(name)
        return told


def findings_part(folders: Iterable[Path]) -> ReportPart | None:
    """Returns what findings in some folders say, or None where there are none of words or ablations.

    Args:
      folders: Those of the runs.
    """
    language: dict[str, dict[tuple[str, str], EpisodeLanguage]] = {}
    effects: dict[str, dict[tuple[str, int, int, str], StepEffects]] = {}
    damaged: list[str] = []
    read = 0
    for path in dict.fromkeys(summary.path for folder in folders for summary in find_findings(folder)):
        kind = path.parent.name
        if kind not in (LANGUAGE.name, ABLATION.name) or not path.exists():
            continue
        try:
            value = read_finding(path, LANGUAGE if kind == LANGUAGE.name else ABLATION)
        except FindingError as error:
            damaged.append(str(error))
            continue
        read += 1
        if isinstance(value, LanguageTable):
            episodes = language.setdefault(value.policy, {})
            episodes |= {(value.dataset, each.name): each for each in value.episodes}
        else:
            for each in value:
                asked = ", ".join(effect.label for effect in each.effects)
                effects.setdefault(each.policy, {})[each.episode, each.step, each.seed, asked] = each
    tables = [_language_table(policy, episodes.values()) for policy, episodes in language.items()]
    tables += [_ablation_table(policy, steps.values()) for policy, steps in effects.items()]
    if not tables and not damaged:
        return None
    return ReportPart(
        "findings",
        "What was found by changing something",
        f"{read} findings of `octoscope language` and `octoscope ablate` lie in the folders of these runs. Changes are root mean squares "
        "of the normalised action chunk, under the same noise. A task is the mean of its episodes, and numbers are over tasks, with their "
        f"95 % interval from {FEWEST} tasks on; n: tasks (episodes).",
        findings=damaged,
        tables=tables,
        shows="Whether the action changes, beside what other noise and random places of the same size do.",
        not_shows="That these episodes are those of the runs above: they are whatever was asked for.",
    )


def _language_table(policy: str, episodes: Iterable[EpisodeLanguage]) -> ReportTable:
    rows = {name: _Values() for name, _, _ in _LANGUAGE}
    for each in episodes:
        noise = float(np.mean(each.noise))
        for name, _, _ in _LANGUAGE:
            # Shares are not changes: noise says nothing of them.
            beside = float("nan") if "share" in name else noise
            rows[name].add(each.instruction, each.name, float(np.mean(getattr(each, name))), noise=beside)
    return ReportTable(_HEAD, [rows[name].row(label, bounds) for name, label, bounds in _LANGUAGE], f"Words: {policy}")


def _ablation_table(policy: str, steps: Iterable[StepEffects]) -> ReportTable:
    rows: dict[str, _Values] = {}
    for step in steps:
        for effect in step.effects:
            controls = float(effect.controls.mean()) if len(effect.controls) else float("nan")
            row = rows.setdefault(effect.label, _Values())
            row.add(step.instruction, step.episode, effect.size, noise=step.noise_floor, controls=controls)
    largest = sorted(rows, key=lambda label: -float(np.mean(rows[label].values)))
    left = len(largest) - _MOST_ROWS
    more = f", the {_MOST_ROWS} largest of {len(largest)}" if left > 0 else ""
    return ReportTable(
        _HEAD, [rows[label].row(label, _CHANGES) for label in largest[:_MOST_ROWS]], f"Ablations: {policy}{more}"
    )


def _known_mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _told(score: Score) -> str:
    """Returns "0.410 (0.350..0.480)"; the mean alone where there is no interval, "-" where there is nothing."""
    if np.isnan(score.mean):
        return "-"
    return f"{score.mean:.3f}" + ("" if np.isnan(score.low) else f" ({score.low:.3f}..{score.high:.3f})")
