"""The one number of an action chunk whose causes gradients look for."""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float32
from octoscope.errors import SelectionError


@dataclass(frozen=True)
class ActionTarget:
    """Which entries of the normalised action chunk count.

    One entry is its own target. Several are taken along the action that the policy decided on: sum of a * a0 / |a0|, with a0 held
    fixed. What raises this makes the policy do more of what it does; what turns the action sideways is not seen by it.
    """

    # Dimension of the action; all that the dataset moves by default.
    dimension: int | None = None
    # Step of the horizon, 0 is the next action; all by default.
    horizon_step: int | None = None

    @property
    def label(self) -> str:
        """What tables call it."""
        dimension = "all dimensions" if self.dimension is None else f"dimension {self.dimension}"
        step = "all steps of the horizon" if self.horizon_step is None else f"step {self.horizon_step} of the horizon"
        return f"{dimension}, {step}"

    def check(self, horizon: int, dimensions: int) -> None:
        """Refuses an entry that the action does not have.

        Raises:
          SelectionError: If there is no such dimension or step.
        """
        for name, chosen, size in (
            ("dimension", self.dimension, dimensions),
            ("horizon_step", self.horizon_step, horizon),
        ):
            if chosen is not None and not 0 <= chosen < size:
                raise SelectionError(f"`{name}` must be in 0..{size - 1}, got {chosen}.")

    def weights(
        self, action: Float32[np.ndarray, "horizon dim"], moves: Bool[np.ndarray, " dim"]
    ) -> Float32[np.ndarray, "horizon dim"]:
        """Returns what each entry of the action is multiplied by before they are summed to the target.

        Args:
          action: What the policy does.
          moves: False for dimensions that the dataset never moves.

        Raises:
          SelectionError: If there is no such dimension or step.

        >>> ActionTarget(horizon_step=0).weights(np.array([[3.0, 4.0]], np.float32), np.array([True, True]))
        array([[0.6, 0.8]], dtype=float32)
        """
        self.check(*action.shape)
        entries = np.zeros(action.shape, bool)
        rows = slice(None) if self.horizon_step is None else self.horizon_step
        entries[rows, np.flatnonzero(moves) if self.dimension is None else self.dimension] = True
        if entries.sum() == 1:
            return entries.astype(np.float32)
        along = np.where(entries, action, 0.0)
        return (along / max(float(np.linalg.norm(along)), 1e-12)).astype(np.float32)
