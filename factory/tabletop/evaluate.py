"""Judges a policy in closed loop on scenes it has never seen, with right, reworded or wrong instructions."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from factory.tabletop.closed_loop import EPISODE_STEPS, run_episodes
from factory.tabletop.instructions import write_instructions
from factory.tabletop.renderer import TabletopRenderer
from factory.tabletop.scenes import sample_scenes
from factory.tabletop.state import NOTHING, State
from factory.tabletop.tasks import another_task, sample_tasks
from octoscope.array_typing import Bool, Float, Int, UInt8
from octoscope.embedded.table_names import FAMILIES


@dataclass(frozen=True)
class PolicyInput:
    """What a policy is given at one step of many episodes; the window's last entry is the present."""

    # RGB, 0..255.
    primary: UInt8[np.ndarray, "batch window 128 128 3"]
    wrist: UInt8[np.ndarray, "batch window 64 64 3"]
    # False where the window reaches back before the start; the pictures there repeat the first one.
    timestep_pad_mask: Bool[np.ndarray, "batch window"]
    instructions: list[str]


# Returns one action (batch, 7) per episode, as `physics` takes them.
PolicyStep = Callable[[PolicyInput], np.ndarray]


@dataclass(frozen=True)
class Evaluation:
    """What came of each episode. Without a wrong instruction the given task is the original one."""

    family: str
    wrong_instruction: bool
    instructions: list[str]
    # Whether the goal of the given instruction, and that of the original one, was reached at some step.
    given_reached: Bool[np.ndarray, " batch"]
    original_reached: Bool[np.ndarray, " batch"]
    # The first object that was touched (NOTHING if none was), and the one that the given instruction names.
    first_touched: Int[np.ndarray, " batch"]
    given_target: Int[np.ndarray, " batch"]

    @property
    def success_rate(self) -> float:
        """Share of episodes that reached the goal of the given instruction."""
        return float(self.given_reached.mean())

    @property
    def original_rate(self) -> float:
        """Share of episodes that reached the original goal, whatever they were told."""
        return float(self.original_reached.mean())

    @property
    def touched_named_rate(self) -> float:
        """Share of episodes that touched the named object before any other."""
        return float((self.first_touched == self.given_target).mean())

    @property
    def touched_other_rate(self) -> float:
        """Share of episodes that touched another object first; the rest touched none."""
        return float(((self.first_touched != self.given_target) & (self.first_touched != NOTHING)).mean())


def evaluate(
    policy_step: PolicyStep,
    *,
    episodes: int,
    family: str,
    seed: int,
    wrong_instruction: bool = False,
    held_out_wording: bool = False,
    window: int = 2,
    steps: int = EPISODE_STEPS,
) -> Evaluation:
    """Runs `episodes` fresh scenes side by side and reports what was touched and reached.

    The same seed gives the same scenes and original tasks, with either instruction.

    Args:
      policy_step: Called once per step with all episodes at once. A policy that keeps something between steps
        (an action chunk, say) must be made anew for each evaluation.
      episodes: Number of scenes.
      family: One of `tasks.FAMILIES`.
      seed: Seed of scenes, tasks and wording; keep it away from the seeds of training data.
      wrong_instruction: Whether the policy is told to do the same with another object of the scene.
      held_out_wording: Whether to use the templates that training never shows.
      window: Timesteps of history that the policy sees.
      steps: Length of each episode.

    Raises:
      ValueError: If the family is unknown.
    """
    if family not in FAMILIES:
        raise ValueError(f"`family` must be one of {', '.join(FAMILIES)}, got {family!r}.")
    rng = np.random.default_rng(seed)
    start = sample_scenes(rng, episodes)
    original = sample_tasks(rng, start, family=FAMILIES.index(family))
    other = another_task(rng, start, original)
    given = other if wrong_instruction else original
    instructions = write_instructions(rng, start, given, held_out=held_out_wording)
    with TabletopRenderer() as renderer:
        actor = PolicyActor(policy_step, renderer, instructions, window=window)
        outcome = run_episodes(start, actor, tasks=(given, original), steps=steps)
    reached = outcome.reached
    return Evaluation(
        family, wrong_instruction, instructions, reached[0], reached[1], outcome.first_touched, given.target
    )


class PolicyActor:
    """Turns table-tops into what the policy sees, remembering the pictures of the last steps."""

    def __init__(
        self, policy_step: PolicyStep, renderer: TabletopRenderer, instructions: list[str], *, window: int = 2
    ) -> None:
        """Starts without history."""
        self._policy_step, self._renderer = policy_step, renderer
        self._instructions, self._window = instructions, window
        self._primary: list[np.ndarray] = []
        self._wrist: list[np.ndarray] = []

    def __call__(self, state: State) -> Float[np.ndarray, "batch dim"]:
        """Looks, remembers, and returns the policy's actions."""
        primary, wrist = self._renderer.render_both(state)
        self._primary = [*self._primary, primary][-self._window :]
        self._wrist = [*self._wrist, wrist][-self._window :]
        missing = self._window - len(self._primary)
        known = np.arange(self._window) >= missing
        seen = PolicyInput(
            primary=np.stack([self._primary[0]] * missing + self._primary, axis=1),
            wrist=np.stack([self._wrist[0]] * missing + self._wrist, axis=1),
            timestep_pad_mask=np.tile(known, (len(state), 1)),
            instructions=self._instructions,
        )
        return self._policy_step(seen)
