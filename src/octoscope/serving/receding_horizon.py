"""Receding horizon: carry out the first actions of a chunk, then ask the policy again.

Same behaviour as `RHCWrapper` of Octo's gym wrappers, one control step at a time.
"""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float
from octoscope.errors import SelectionError


@dataclass(frozen=True)
class RecedingHorizon:
    """Carries out the first `exec_horizon` actions of each chunk.

    >>> execution = RecedingHorizon(2)
    >>> pending, action = execution.next_action((), np.array([[1.0], [2.0], [3.0]]))
    >>> action, execution.wants_chunk(pending)
    (array([1.]), False)
    >>> pending, action = execution.next_action(pending, None)
    >>> action, execution.wants_chunk(pending)
    (array([2.]), True)
    """

    # Actions carried out before the policy is asked again; None is the whole chunk.
    exec_horizon: int | None = 1

    def __post_init__(self) -> None:
        """Checks the number.

        Raises:
          SelectionError: If it is less than 1.
        """
        if self.exec_horizon is not None and self.exec_horizon < 1:
            raise SelectionError(
                f"`exec_horizon` must be 1 or more, or None for whole chunks, got {self.exec_horizon}."
            )

    def wants_chunk(self, pending: tuple[np.ndarray, ...]) -> bool:
        """Returns whether the policy must be asked before the next action."""
        return not pending

    def next_action(
        self, pending: tuple[np.ndarray, ...], chunk: Float[np.ndarray, "horizon dim"] | None
    ) -> tuple[tuple[np.ndarray, ...], Float[np.ndarray, " dim"]]:
        """Returns the actions still to be carried out, and the action of now.

        Args:
          pending: Actions of the last chunk that are still to be carried out; () at the start of an episode.
          chunk: What the policy has just predicted, where `wants_chunk`; else None.

        Raises:
          SelectionError: If the chunk is shorter than `exec_horizon`.
        """
        if chunk is not None:
            if self.exec_horizon is not None and len(chunk) < self.exec_horizon:
                raise SelectionError(
                    f"`exec_horizon` must be at most {len(chunk)}, the actions that the policy predicts, got {self.exec_horizon}."
                )
            pending = tuple(chunk[: self.exec_horizon])
        assert pending, "a chunk was given where one was wanted"
        return pending[1:], pending[0]
