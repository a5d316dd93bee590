"""What a policy's actions are over one dataset: how many numbers, what they are called, and how they become the robot's own."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float, Float32
from octoscope.policies.action_units import ActionUnits, action_units
from octoscope.policies.inputs import PolicyInputs


@dataclass(frozen=True, eq=False)
class ActionSpace:
    """The actions of a policy for one robot; derived once, asked for by everyone."""

    # Future steps of a chunk, and numbers of each action that the robot has.
    horizon: int
    dim: int
    # False for numbers that the dataset never moves: what the policy says about them is never carried out.
    moves: Bool[np.ndarray, " dim"]
    # From normalised actions (..., predicted) to the dataset's own units; None where the policy knows no statistics of the dataset.
    unnormalize: Callable[[np.ndarray], np.ndarray] | None = None
    # Whether every draw of noise gives the same action: then there is no noise floor.
    deterministic: bool = False
    # Numbers that the policy predicts, where it is more than the robot has: the rest of each action is noise.
    more: int = 0
    # Name of the dataset: what is known of its actions' names and units.
    dataset: str = ""
    # What adds the step that a chunk was made at to actions in the dataset's units that are offsets to it; None where they are none.
    to_absolute: Callable[[np.ndarray, PolicyInputs], np.ndarray] | None = None
    # Why actions stay normalised; "" where they do not.
    note: str = ""

    @property
    def predicted(self) -> int:
        """Numbers of each action that the policy predicts."""
        return self.dim + self.more

    @property
    def counts(self) -> Bool[np.ndarray, " predicted"]:
        """Which of the predicted numbers count: those that the robot has and the dataset moves."""
        return np.pad(self.moves, (0, self.more))

    def remarks(self) -> list[str]:
        """Returns that actions stay normalised, and why; nothing where they are in the robot's units too."""
        return [f"Actions are normalised, not in the robot's units. {self.note}"] if self.note else []

    @functools.cached_property
    def units(self) -> ActionUnits:
        """Names and units, where they are known."""
        return action_units(self.dataset, self.dim)

    def to_robot(
        self, actions: Float32[np.ndarray, "*batch horizon predicted"], inputs: PolicyInputs
    ) -> Float[np.ndarray, "*batch horizon dim"] | None:
        """Returns actions in the dataset's units, as they are carried out; None where these are not known.

        Args:
          actions: Normalised.
          inputs: Of the step that they were made at.
        """
        if self.unnormalize is None:
            return None
        robot = self.unnormalize(actions)
        return robot if self.to_absolute is None else self.to_absolute(robot, inputs)

    def in_units(
        self,
        actions: Float32[np.ndarray, "*batch horizon predicted"],
        inputs: PolicyInputs,
        units: ActionUnits | None = None,
    ) -> Float32[np.ndarray, "*batch horizon dim"] | None:
        """Returns actions in the units of their names, such as metres where a recorded 1 is a step of 0.05 m; None where unknown."""
        robot = self.to_robot(actions, inputs)
        return None if robot is None else np.asarray(robot * np.array((units or self.units).scale), np.float32)
