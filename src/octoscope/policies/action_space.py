"""What a policy's actions are over one dataset: how many numbers, what they are called, and how they become the robot's own."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float, Float32


@dataclass(frozen=True, eq=False)
class ActionSpace:
    """The actions of a policy for one robot; derived once, asked for by everyone."""

    # Future steps of a chunk, and numbers of each action that the robot has.
    horizon: int
    dim: int
    # False for numbers that the dataset never moves: what the policy says about them is never carried out.
    moves: Bool[np.ndarray, " dim"]
    # From normalised actions (..., dim) to the dataset's own units; None where the policy knows no statistics of the dataset.
    unnormalize: Callable[[np.ndarray], np.ndarray] | None = None
    # Whether every draw of noise gives the same action: then there is no noise floor.
    deterministic: bool = False

    def to_robot(
        self, actions: Float32[np.ndarray, "*batch horizon dim"]
    ) -> Float[np.ndarray, "*batch horizon dim"] | None:
        """Returns actions in the dataset's units; None where they are not known."""
        return None if self.unnormalize is None else self.unnormalize(actions)
