"""Episodes of an expert who sees badly, slips and changes its mind: the states a learner must know how to leave."""

import dataclasses
from collections.abc import Callable

import numpy as np

from factory.tabletop.closed_loop import NoisyExpert
from factory.tabletop.physics import step_physics
from factory.tabletop.scenes import sample_scenes
from factory.tabletop.state import State
from factory.tabletop.tasks import Task, sample_tasks
from octoscope.embedded.table_names import OBJECTS

EXPLORATION_STEPS = 24
# An episode misplaces all its objects by up to this standard deviation, in metres: grasps miss, pushes slide off.
MOST_BIAS = 0.03
STEP_NOISE = 0.01
# Standard deviation added to the motion, in units of the action; chances per step of a wrong grip and of a new task.
MOTION_NOISE = 0.25
GRIP_SLIPS, MIND_CHANGES = 0.03, 0.06


def explore(
    rng: np.random.Generator,
    episodes: int,
    *,
    steps: int = EXPLORATION_STEPS,
    draw_scenes: Callable[[np.random.Generator, int], State] = sample_scenes,
    draw_tasks: Callable[[np.random.Generator, State], Task] = sample_tasks,
) -> list[State]:
    """Returns the table-tops of `episodes` noisy episodes at each moment: `steps` + 1 batches in order.

    Args:
      rng: Source of randomness.
      episodes: How many, side by side.
      steps: Of each episode.
      draw_scenes: Where they start.
      draw_tasks: What the expert is about, at first and after each change of mind.
    """
    state = draw_scenes(rng, episodes)
    task = draw_tasks(rng, state)
    bias = rng.uniform(0.0, MOST_BIAS, (episodes, 1, 1)) * rng.standard_normal((episodes, OBJECTS, 2))
    trajectory = [state]
    for _ in range(steps):
        task = _change_minds(rng, task, draw_tasks(rng, state))
        actions = NoisyExpert(rng, task, bias, STEP_NOISE)(state)
        actions[:, :3] += rng.normal(0.0, MOTION_NOISE, (episodes, 3))
        slips = rng.random(episodes) < GRIP_SLIPS
        actions[:, 6] = np.where(slips, 1.0 - actions[:, 6], actions[:, 6])
        state = step_physics(state, actions)
        trajectory.append(state)
    return trajectory


def _change_minds(rng: np.random.Generator, task: Task, fresh: Task) -> Task:
    """Gives a few table-tops a new task, so that hands are found full, shut or low over what is not wanted."""
    changes = rng.random(len(task)) < MIND_CHANGES
    return Task(
        **{
            field.name: np.where(changes, getattr(fresh, field.name), getattr(task, field.name))
            for field in dataclasses.fields(Task)
        }
    )
