"""Tasks to label training pictures with: any task of the scene, or more often one that the hand looks to be at.

Drawn evenly, only one picture in a hundred shows the hand carrying the very object that it is to put down, or driving the one
that it is to push. A policy then learns how tasks begin, and is lost in the middle of them.
"""

from dataclasses import replace

import numpy as np

from factory.tabletop.state import NOTHING, State
from factory.tabletop.tasks import PICK_UP, PUSH, PUT_NEXT_TO, Task, push_inwards, sample_tasks
from octoscope.array_typing import Bool, Int
from octoscope.embedded.table_names import OBJECTS

# A push that began in a fresh scene is under way up to here; labels must cover it.
LABEL_PUSH_ROOM = 0.20
# What a hand that carries something is about: put it down, or else lift it.
_PUTTING_SHARE = 0.8
# How often a fist is about the object nearest to it.
_NEAREST_SHARE = 0.6


def sample_training_tasks(rng: np.random.Generator, state: State, *, under_way: float = 0.0) -> Task:
    """Draws a task for each table-top.

    Args:
      rng: Source of randomness.
      state: The table-tops the tasks are for.
      under_way: How often, from 0 to 1, a hand that carries something gets a task about that thing, and a closed empty hand
        something to push. Elsewhere any task is as likely as any other.

    >>> from factory.tabletop.scenes import sample_scenes
    >>> rng = np.random.default_rng(0)
    >>> len(sample_training_tasks(rng, sample_scenes(rng, 5), under_way=0.5))
    5
    """
    task = sample_tasks(rng, state, push_room=LABEL_PUSH_ROOM)
    if not under_way:
        return task
    chosen = rng.random(len(task)) < under_way
    carries = chosen & (state.held != NOTHING)
    fist = chosen & (state.held == NOTHING) & ~state.opened
    family = np.where(rng.random(len(task)) < _PUTTING_SHARE, PUT_NEXT_TO, PICK_UP)
    near = fist & (rng.random(len(task)) < _NEAREST_SHARE)
    target = np.where(carries, state.held, np.where(near, _nearest(state), task.target))
    task = replace(
        task,
        family=np.where(carries, family, np.where(fist, PUSH, task.family)),
        target=target,
        reference=_another(rng, target, keep=task.reference != target, reference=task.reference),
    )
    return push_inwards(task, state, LABEL_PUSH_ROOM)


def _nearest(state: State) -> Int[np.ndarray, " batch"]:
    return np.linalg.norm(state.position[..., :2] - state.gripper[:, None, :2], axis=2).argmin(axis=1)


def _another(
    rng: np.random.Generator,
    target: Int[np.ndarray, " batch"],
    *,
    keep: Bool[np.ndarray, " batch"],
    reference: Int[np.ndarray, " batch"],
) -> Int[np.ndarray, " batch"]:
    """Returns the references, drawn again where they are the target itself."""
    return np.where(keep, reference, (target + rng.integers(1, OBJECTS, size=len(target))) % OBJECTS)
