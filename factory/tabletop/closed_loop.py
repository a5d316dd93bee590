"""Closed loop: let someone act on many table-tops at once, and note what is touched and reached."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from factory.tabletop.expert import expert_action
from factory.tabletop.physics import step_physics, touched_object
from factory.tabletop.state import NOTHING, State
from factory.tabletop.tasks import Task, goal_reached
from octoscope.array_typing import Bool, Float, Int
from octoscope.embedded.table_names import OBJECTS

# Called with the table-tops as they are now, from the first step to the last; returns actions (batch, 7).
Actor = Callable[[State], np.ndarray]
# Noise-free, nineteen of twenty episodes are done in half of this.
EPISODE_STEPS = 30


@dataclass(frozen=True)
class Outcome:
    """What came of each episode of a batch."""

    # The step after which each task's goal was first reached, counted from 1; 0 if it never was. One row per task.
    reached_after: Int[np.ndarray, "tasks batch"]
    # The first object that was touched, or NOTHING.
    first_touched: Int[np.ndarray, " batch"]

    @property
    def reached(self) -> Bool[np.ndarray, "tasks batch"]:
        """Whether each task's goal was reached at some step."""
        return self.reached_after > 0


def run_episodes(start: State, actor: Actor, *, tasks: tuple[Task, ...], steps: int = EPISODE_STEPS) -> Outcome:
    """Lets `actor` act for `steps` steps and judges the result by the goal of each of `tasks`.

    All episodes run to the end: the actor is not told when a goal is reached.
    """
    state = start
    reached_after = np.zeros((len(tasks), len(start)), dtype=int)
    first_touched = np.full(len(start), NOTHING)
    for step in range(1, steps + 1):
        state = step_physics(state, actor(state))
        now = np.stack([goal_reached(start, state, task) for task in tasks])
        reached_after = np.where((reached_after == 0) & now, step, reached_after)
        first_touched = np.where(first_touched == NOTHING, touched_object(state), first_touched)
    return Outcome(reached_after, first_touched)


@dataclass(frozen=True)
class NoisyExpert:
    """The expert who sees objects off their places: the yardstick for how exactly a policy must see."""

    rng: np.random.Generator
    task: Task
    # Metres by which each object is misplaced throughout the episode.
    bias: Float[np.ndarray, "batch object 2"]
    # Standard deviation, in metres per axis, of what is added anew at each step.
    step_noise: float

    def __call__(self, state: State) -> Float[np.ndarray, "batch dim"]:
        """Returns the expert's actions for the table-tops as it sees them."""
        offset = self.bias + self.rng.normal(0.0, self.step_noise, self.bias.shape)
        return expert_action(_misplace(state, offset), self.task)


def draw_noisy_expert(rng: np.random.Generator, task: Task, *, bias: float, step_noise: float) -> NoisyExpert:
    """Returns an expert with normally distributed errors of sight.

    Args:
      rng: Source of randomness, used on at every step.
      task: What the expert is to do.
      bias: Standard deviation, in metres per axis, of what misplaces each object for the whole episode.
      step_noise: The same of what is drawn anew at each step.
    """
    return NoisyExpert(rng, task, rng.normal(0.0, bias, (len(task), OBJECTS, 2)), step_noise)


def _misplace(state: State, offset: Float[np.ndarray, "batch object 2"]) -> State:
    position = state.position.copy()
    position[..., :2] += offset
    return dataclasses.replace(state, position=position)
