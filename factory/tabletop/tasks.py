"""What can be asked of a table-top, and when it is done: pick up, push left or right, put next to."""

from dataclasses import dataclass, fields, replace

import numpy as np

from factory.tabletop.state import NOTHING, State, of_object
from octoscope.array_typing import Bool, Float, Int
from octoscope.embedded.table_names import FAMILIES, OBJECTS

PICK_UP, PUSH, PUT_NEXT_TO = range(len(FAMILIES))
# Picked up: held with its base this high. Pushed: moved this far. Next to: a smaller gap between the rims.
LIFTED = 0.08
PUSHED = 0.06
NEAR_GAP = 0.05
# A fresh task pushes an object only if it starts at most this far out on the side it is pushed to.
PUSH_ROOM = 0.12


@dataclass(frozen=True)
class Task:
    """One task per table-top of a batch."""

    # Index into FAMILIES.
    family: Int[np.ndarray, " batch"]
    # The object to pick up, push or put down.
    target: Int[np.ndarray, " batch"]
    # The object to put it next to; always another one, and without meaning in the other families.
    reference: Int[np.ndarray, " batch"]
    # -1 left, +1 right; without meaning outside pushing.
    direction: Int[np.ndarray, " batch"]

    def __len__(self) -> int:
        """Returns the number of tasks in the batch."""
        return len(self.family)


def take_tasks(task: Task, rows: object) -> Task:
    """Returns the tasks that `rows` selects, as NumPy would along the batch axis."""
    return Task(**{field.name: getattr(task, field.name)[rows] for field in fields(Task)})


def sample_tasks(
    rng: np.random.Generator, state: State, *, family: int | None = None, push_room: float = PUSH_ROOM
) -> Task:
    """Draws a task for each table-top, any of the objects being as likely as any other.

    Args:
      rng: Source of randomness.
      state: The table-tops the tasks are for.
      family: Index into FAMILIES, or None for any.
      push_room: An object farther out than this, in metres from the middle, is pushed inwards only. Labelling
        states in the middle of a push needs more than fresh scenes do.
    """
    batch = len(state)
    target = rng.integers(OBJECTS, size=batch)
    families = rng.integers(len(FAMILIES), size=batch) if family is None else np.full(batch, family)
    reference = (target + rng.integers(1, OBJECTS, size=batch)) % OBJECTS
    direction = rng.choice(np.array([-1, 1]), size=batch)
    return push_inwards(Task(families, target, reference, direction), state, push_room)


def another_task(rng: np.random.Generator, state: State, task: Task) -> Task:
    """Draws, per table-top, a task of the same family about another object, whose goal is not reached along with it.

    For putting next to, the new target is also not the old reference: "A next to B" and "B next to A" end alike.
    """
    batch = len(task)
    step = rng.integers(1, OBJECTS, size=batch)
    target = (task.target + step) % OBJECTS
    clash = (task.family == PUT_NEXT_TO) & (target == task.reference)
    # The next object on, stepping over the old target when the round is complete.
    beyond = (task.target + np.where(step + 1 < OBJECTS, step + 1, 1)) % OBJECTS
    target = np.where(clash, beyond, target)
    direction = rng.choice(np.array([-1, 1]), size=batch)
    return push_inwards(Task(task.family, target, _other_than(target, task), direction), state, PUSH_ROOM)


def goal_reached(start: State, state: State, task: Task) -> Bool[np.ndarray, " batch"]:
    """Returns which tasks are fulfilled now, given how their table-tops were at the start."""
    base, was = of_object(state.position, task.target), of_object(start.position, task.target)
    lifted = (state.held == task.target) & (base[:, 2] > LIFTED)
    pushed = ((base[:, 0] - was[:, 0]) * task.direction > PUSHED) & (state.held == NOTHING)
    placed = (state.held != task.target) & (rim_gap(state, task) < NEAR_GAP)
    moved = np.linalg.norm(base[:, :2] - was[:, :2], axis=1) > 0.01
    return np.where(task.family == PICK_UP, lifted, np.where(task.family == PUSH, pushed, placed & moved))


def rim_gap(state: State, task: Task) -> Float[np.ndarray, " batch"]:
    """Returns the free distance between target and reference in metres; 0 when they touch."""
    apart = of_object(state.position, task.target) - of_object(state.position, task.reference)
    radii = of_object(state.radius, task.target) + of_object(state.radius, task.reference)
    return np.linalg.norm(apart[:, :2], axis=1) - radii


def push_inwards(task: Task, state: State, room: float) -> Task:
    """Returns the tasks, with whatever stands farther out than `room` metres pushed to the middle."""
    x = of_object(state.position, task.target)[:, 0]
    direction = np.where(x > room, -1, np.where(x < -room, 1, task.direction))
    return replace(task, direction=direction)


def _other_than(target: Int[np.ndarray, " batch"], task: Task) -> Int[np.ndarray, " batch"]:
    """Returns the old reference, or the old target where the old reference is the new target."""
    return np.where(target == task.reference, task.target, task.reference)
