"""Training batches: pictures from disk, each with a fresh random task and the expert's actions for it.

Because the expert is a function of state and task, a picture gets another instruction every time it is drawn:
only the words can tell which object is meant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from factory.tabletop.camera import PRIMARY_SIZE, WRIST_SIZE, project
from factory.tabletop.expert import expert_action
from factory.tabletop.instructions import write_instructions
from factory.tabletop.pair_codec import decode_pair
from factory.tabletop.physics import step_physics
from factory.tabletop.shards import WINDOW, read_shards
from factory.tabletop.state import NOTHING, State, concatenate, of_object, take
from factory.tabletop.tasks import PUT_NEXT_TO, Task
from factory.tabletop.training_tasks import sample_training_tasks
from octoscope.array_typing import Bool, Float, Float32, UInt8

HORIZON = 4
# How often a pair is shown as the first step of an episode, which has no history.
FIRST_STEP_SHARE = 0.08


@dataclass(frozen=True)
class TrainingData:
    """All pairs of a data set in memory; pictures packed until they are drawn."""

    states: tuple[State, State]
    primary: list[bytes]
    wrist: list[bytes]

    def __len__(self) -> int:
        """Returns the number of pairs."""
        return len(self.primary)


@dataclass(frozen=True)
class TrainingBatch:
    """What a policy sees and should do; the window's last entry is the present."""

    # RGB, 0..255.
    primary: UInt8[np.ndarray, "batch window 128 128 3"]
    wrist: UInt8[np.ndarray, "batch window 64 64 3"]
    # False where the window reaches back before the episode's start; the pictures there repeat the first one.
    timestep_pad_mask: Bool[np.ndarray, "batch window"]
    instructions: list[str]
    # The expert's actions from each step of the window on.
    actions: Float32[np.ndarray, "batch window horizon 7"]
    # Where the object to go to next appears in the primary picture: column and row from 0 to 1. That object is the
    # task's target, or its reference while the target is being carried to it. `camera.patch_index` makes it a patch.
    target_place: Float32[np.ndarray, "batch window 2"]
    # What the instructions mean, and the state at each step of the window.
    task: Task
    states: tuple[State, State]


def load_training_data(folder: Path) -> TrainingData:
    """Reads a data set that `generate` wrote; about 20 kB of memory per pair.

    Raises:
      EpisodeError: If there is none.
    """
    shards = read_shards(folder)
    first, second = (concatenate([shard.states[step] for shard in shards]) for step in range(WINDOW))
    return TrainingData(
        (first, second),
        [packed for shard in shards for packed in shard.primary],
        [packed for shard in shards for packed in shard.wrist],
    )


def join(parts: Sequence[TrainingData]) -> TrainingData:
    """Returns the pairs of all parts, in order, as one."""
    first, second = (concatenate([part.states[step] for part in parts]) for step in range(WINDOW))
    return TrainingData(
        (first, second),
        [packed for part in parts for packed in part.primary],
        [packed for part in parts for packed in part.wrist],
    )


def sample_batch(
    data: TrainingData,
    rng: np.random.Generator,
    batch: int,
    *,
    tasks_per_pair: int = 1,
    under_way: float = 0.0,
    carrying: float = 0.0,
) -> TrainingBatch:
    """Draws pairs with repetition and gives each fresh tasks, in words of the training templates.

    Args:
      data: The pairs.
      rng: Source of randomness.
      batch: Number of examples.
      tasks_per_pair: Neighbouring examples that share their pictures and differ in the task; divides `batch`.
      under_way: How often a task is drawn that the hand looks to be at, see `sample_training_tasks`.
      carrying: The share of pairs, from 0 to 1, that are drawn from those where the hand carries something; the others are any.

    Raises:
      ValueError: If `batch` is no multiple of `tasks_per_pair`.
    """
    if batch % tasks_per_pair:
        raise ValueError(f"`batch` must be a multiple of `tasks_per_pair` ({tasks_per_pair}), got {batch}.")
    rows = rng.integers(len(data), size=batch // tasks_per_pair)
    if carrying:
        full = np.flatnonzero(data.states[1].held != NOTHING)
        rows = np.where(rng.random(len(rows)) < carrying, rng.choice(full, size=len(rows)), rows)
    primary = np.stack([decode_pair(data.primary[row], size=PRIMARY_SIZE) for row in rows])
    wrist = np.stack([decode_pair(data.wrist[row], size=WRIST_SIZE) for row in rows])
    primary, wrist, rows = (np.repeat(array, tasks_per_pair, axis=0) for array in (primary, wrist, rows))
    states = take(data.states[0], rows), take(data.states[1], rows)
    return label_pairs(rng, states, primary, wrist, tasks_per_pair=tasks_per_pair, under_way=under_way)


def label_pairs(
    rng: np.random.Generator,
    states: tuple[State, State],
    primary: UInt8[np.ndarray, "batch 2 128 128 3"],
    wrist: UInt8[np.ndarray, "batch 2 64 64 3"],
    *,
    tasks_per_pair: int = 1,
    under_way: float = 0.0,
) -> TrainingBatch:
    """Gives each pair a fresh task and all that follows from it; some pairs become first steps of an episode.

    Each `tasks_per_pair` neighbours must be the same pair; they become first steps together.
    """
    first = np.repeat(rng.random(len(primary) // tasks_per_pair) < FIRST_STEP_SHARE, tasks_per_pair)
    present = states[1]
    before = _where(first, present, states[0])
    window = before, present
    task = sample_training_tasks(rng, present, under_way=under_way)
    return TrainingBatch(
        primary=_repeat_present(primary, first),
        wrist=_repeat_present(wrist, first),
        timestep_pad_mask=np.stack([~first, np.ones_like(first)], axis=1),
        instructions=write_instructions(rng, present, task),
        actions=np.stack([expert_chunk(state, task) for state in window], axis=1),
        target_place=np.stack([target_place(state, task) for state in window], axis=1),
        task=task,
        states=window,
    )


def expert_chunk(state: State, task: Task, *, horizon: int = HORIZON) -> Float32[np.ndarray, "batch horizon 7"]:
    """Returns the expert's next actions, each taken in the state that the ones before lead to."""
    actions = [expert_action(state, task)]
    while len(actions) < horizon:
        state = step_physics(state, actions[-1])
        actions.append(expert_action(state, task))
    return np.stack(actions, axis=1)


def target_place(state: State, task: Task) -> Float32[np.ndarray, "batch 2"]:
    """Returns where the middle of the object to go to next appears in the primary picture, from 0 to 1.

    A carried object high up may lie outside that range.
    """
    carried = (task.family == PUT_NEXT_TO) & (state.held == task.target)
    wanted = np.where(carried, task.reference, task.target)
    middle: Float[np.ndarray, "batch 3"] = of_object(state.position, wanted).copy()
    middle[:, 2] += of_object(state.radius, wanted)
    return project(middle).astype(np.float32)


def _repeat_present(pair: np.ndarray, first: Bool[np.ndarray, " batch"]) -> np.ndarray:
    shown = pair.copy()
    shown[first, 0] = pair[first, 1]
    return shown


def _where(chosen: Bool[np.ndarray, " batch"], ours: State, others: State) -> State:
    """Returns the rows of `ours` where `chosen`, else of `others`."""
    rows = np.where(chosen, 0, len(chosen)) + np.arange(len(chosen))
    return take(concatenate([ours, others]), rows)
