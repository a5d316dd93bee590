"""What is compared: levels of a label with each other, as differences of episodes that are nested in tasks."""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float, Int
from octoscope.errors import SelectionError
from octoscope.intervals import FEWEST, few_episodes
from octoscope.trends.episode_table import EpisodeLabel, EpisodeTable

BY = ("task", "verb", "object", "dataset", "phase", "outcome", "policy")
# Asked whenever masks tell where objects are.
NAMED_OBJECT = "named object"
_LABELS = {"task": "task", "verb": "verb", "object": "thing", "dataset": "dataset"}
PLANS = {
    "task": "do the episodes of a task differ from those of all others? (the unit is the episode: of a task there is no more)",
    "verb": "do tasks of one verb differ from the tasks of the others?",
    "object": "do tasks with one object differ from the tasks with others?",
    "dataset": "do tasks of one dataset differ from the tasks of the others?",
    "phase": "does a phase differ from the mean of the other phases of the same episode?",
    "outcome": "do successes differ from failures of the same task, once the episode's length is taken out?",
    NAMED_OBJECT: "does the object that the instruction names get more weight for its size than the others?",
    "policy": "does a policy differ from the first one on the same episodes?",
}


@dataclass(frozen=True, eq=False)
class Contrast:
    """One level against others."""

    level: str
    against: str
    tasks: Int[np.ndarray, " episode"]
    # Which episodes of the table each unit is made of, and which part; the other side is taken away where there is one.
    values: "Sides"
    # Tasks of the level, where tasks are compared; None where each episode gives a difference.
    member: Bool[np.ndarray, " task"] | None = None
    # Why there is no verdict whatever the numbers are; "" where there may be one.
    no_verdict: str = ""


@dataclass(frozen=True, eq=False)
class Sides:
    """Weights by which the episodes and parts of a table make each unit's value: a matrix (unit, episode x part)."""

    matrix: Float[np.ndarray, "unit entry"]

    def of(self, table: Float[np.ndarray, "episode part *batch"]) -> Float[np.ndarray, "unit entry"]:
        """Returns each unit's value for all cells and measures in one line; NaN where a part that it needs is not known."""
        flat = table.reshape(table.shape[0] * table.shape[1], -1)
        unknown = np.isnan(flat)
        needed = self.matrix != 0
        lacks = (needed.astype(np.float32) @ unknown.astype(np.float32)) > 0
        return np.where(lacks, np.nan, self.matrix @ np.where(unknown, 0.0, flat).astype(np.float64))


def contrasts(table: EpisodeTable, by: str) -> list[Contrast]:
    """Returns all that is compared under a label.

    Raises:
      SelectionError: If there is nothing to compare, saying what would be needed.
    """
    if by == NAMED_OBJECT:
        return [Contrast("named object", "distractors", table.task_numbers, Sides(np.eye(len(table.labels))))]
    if by == "phase":
        return _phases(table)
    if by == "policy":
        return _policies(table)
    if by == "outcome":
        return [_outcome(table)]
    return _levels(table, by)


def label_of(label: EpisodeLabel, by: str) -> str:
    """Returns an episode's level of a label that tasks have."""
    return str(getattr(label, _LABELS[by]))


def _levels(table: EpisodeTable, by: str) -> list[Contrast]:
    levels = list(dict.fromkeys(label_of(label, by) for label in table.labels))
    if len(levels) < 2:
        raise SelectionError(f"--by {by} compares two or more, and all runs have the {by} '{levels[0]}'.")
    every, chosen = Sides(np.eye(len(table.labels))), levels if len(levels) > 2 else levels[:1]
    if by == "task":
        # A task is compared by its own episodes, which are all there is of it.
        own = np.arange(len(table.labels))
        few = few_episodes(len(levels), of="tasks")
        reason = few if len(levels) < FEWEST else ""
        members = [np.array([label.task == level for label in table.labels]) for level in chosen]
        return [
            Contrast(level, "all others", own, every, member, reason)
            for level, member in zip(chosen, members, strict=True)
        ]
    tasks = list(dict.fromkeys((label.task, label_of(label, by)) for label in table.labels))
    numbers = np.array([tasks.index((label.task, label_of(label, by))) for label in table.labels], int)
    return [
        Contrast(level, "all others", numbers, every, np.array([of_task == level for _, of_task in tasks]))
        for level in chosen
    ]


def _phases(table: EpisodeTable) -> list[Contrast]:
    counts = table.steps > 0
    chosen: list[Contrast] = []
    for place, name in enumerate(table.parts):
        episodes = [at for at in range(len(table.labels)) if counts[at, place] and counts[at].sum() > 1]
        if not episodes:
            continue
        matrix = np.zeros((len(episodes), *table.steps.shape))
        for unit, episode in enumerate(episodes):
            others = counts[episode] & (np.arange(len(table.parts)) != place)
            matrix[unit, episode, others] = -1.0 / others.sum()
            matrix[unit, episode, place] = 1.0
        tasks = table.task_numbers[episodes]
        chosen.append(Contrast(name, "other phases", _renumbered(tasks), Sides(matrix.reshape(len(episodes), -1))))
    if not chosen:
        raise SelectionError(
            "No episode has two phases: its actions tell neither a gripper's switch nor a change of speed, or too few steps are kept."
        )
    return chosen


def _policies(table: EpisodeTable) -> list[Contrast]:
    keys = list(dict.fromkeys(label.policy_key for label in table.labels))
    if len(keys) < 2:
        raise SelectionError(
            "--by policy compares two or more policies on the same episodes, and all runs are of one. Give the runs of both."
        )
    names = {key: _policy_name(table, key, keys) for key in keys}
    return [_policy_pair(table, keys[0], key, names) for key in keys[1:]]


def _policy_name(table: EpisodeTable, key: str, keys: list[str]) -> str:
    name = next(label.policy for label in table.labels if label.policy_key == key)
    same = [
        other for other in keys if next(label.policy for label in table.labels if label.policy_key == other) == name
    ]
    return name if len(same) == 1 else f"{name} ({key[:8]})"


def _policy_pair(table: EpisodeTable, first: str, second: str, names: dict[str, str]) -> Contrast:
    places = {(label.policy_key, label.episode_key): at for at, label in enumerate(table.labels)}
    pairs = [
        (places[first, label.episode_key], at)
        for at, label in enumerate(table.labels)
        if label.policy_key == second and (first, label.episode_key) in places
    ]
    if not pairs:
        raise SelectionError(
            f"{names[first]} and {names[second]} were run over no episode in common, and only the same episodes are compared. "
            "Episodes are told apart by the digest of their recording."
        )
    matrix = np.zeros((len(pairs), *table.steps.shape))
    for unit, (before, after) in enumerate(pairs):
        matrix[unit, before, 0], matrix[unit, after, 0] = -1.0, 1.0
    tasks = _renumbered(table.task_numbers[[after for _, after in pairs]])
    return Contrast(names[second], names[first], tasks, Sides(matrix.reshape(len(pairs), -1)))


def _outcome(table: EpisodeTable) -> Contrast:
    """Returns successes less failures of each task that has both, with what goes with the episode's length within tasks taken out."""
    numbers = table.task_numbers
    outcomes = np.array([np.nan if label.outcome is None else float(label.outcome) for label in table.labels])
    if np.isnan(outcomes).all():
        raise SelectionError(
            "--by outcome needs to know which episodes succeeded: give --outcomes FILE.csv with the columns 'episode' and 'outcome'."
        )
    units: list[np.ndarray] = []
    for task in range(len(table.tasks)):
        member = np.flatnonzero((numbers == task) & ~np.isnan(outcomes))
        won, lost = member[outcomes[member] == 1.0], member[outcomes[member] == 0.0]
        if len(won) and len(lost):
            weights = np.zeros(len(numbers))
            weights[won], weights[lost] = 1.0 / len(won), -1.0 / len(lost)
            length = np.array([table.labels[at].length for at in member], np.float64)
            centred = length - length.mean()
            # The difference of what is left of values after a line in length within the task is a difference of values still.
            if (centred**2).sum() > 0 and len(member) > 2:
                gap = weights[member] @ centred
                weights[member] -= gap * centred / (centred**2).sum()
            units.append(weights)
    if not units:
        raise SelectionError("No task has both a success and a failure, and outcomes are compared within a task only.")
    matrix = np.zeros((len(units), *table.steps.shape))
    matrix[:, :, 0] = np.stack(units)
    return Contrast("success", "failure", np.arange(len(units)), Sides(matrix.reshape(len(units), -1)))


def _renumbered(numbers: np.ndarray) -> np.ndarray:
    return np.unique(numbers, return_inverse=True)[1]
