"""Table-tops with one red object among three of other colours: the task is always to pick up the red one, so it needs no words."""

from dataclasses import replace

import numpy as np

from factory.tabletop.scenes import sample_scenes
from factory.tabletop.state import State
from factory.tabletop.tasks import PICK_UP, Task, sample_tasks
from octoscope.array_typing import Float32, Int
from octoscope.embedded.table_names import COLOURS, OBJECTS

RED = COLOURS.index("red")
# How often an exploring expert is about the red object; else about any.
_RED_SHARE = 0.8
# What the policy is told of the hand, and what it says.
STATE_NAMES = ("x", "y", "z", "open")
ACTION_NAMES = ("x", "y", "z", "grip")
# Which entries of an action of `physics` these are.
ACTION_ENTRIES = [0, 1, 2, 6]


def red_scenes(rng: np.random.Generator, batch: int) -> State:
    """Draws fresh scenes with exactly one red object.

    >>> scenes = red_scenes(np.random.default_rng(0), 5)
    >>> (scenes.colour == RED).sum(axis=1)
    array([1, 1, 1, 1, 1])
    """
    state = sample_scenes(rng, batch)
    others = (RED + rng.integers(1, len(COLOURS), size=state.colour.shape)) % len(COLOURS)
    colour = np.where(state.colour == RED, others, state.colour)
    colour[np.arange(batch), rng.integers(OBJECTS, size=batch)] = RED
    return replace(state, colour=colour)


def red_object(state: State) -> Int[np.ndarray, " batch"]:
    """Returns which object of each scene is the red one."""
    return (state.colour == RED).argmax(axis=1)


def red_task(state: State) -> Task:
    """Returns what the policy is to do: pick up the red object."""
    target = red_object(state)
    return Task(np.full(len(state), PICK_UP), target, (target + 1) % OBJECTS, np.ones(len(state), int))


def wandering_tasks(rng: np.random.Generator, state: State) -> Task:
    """Draws what an exploring expert is about: mostly the red object, else any, so that a hand is found over or with a wrong one."""
    task, red = sample_tasks(rng, state, family=PICK_UP), rng.random(len(state)) < _RED_SHARE
    return replace(task, target=np.where(red, red_object(state), task.target))


def hand_state(state: State) -> Float32[np.ndarray, "batch 4"]:
    """Returns what the policy is told of the hand: x, y, z in metres, and 1 where it is open."""
    return np.concatenate([state.gripper, state.opened[:, None]], axis=1).astype(np.float32)
