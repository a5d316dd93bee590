"""Temporal ensemble: ask at every step, and carry out the mean of what all recent chunks say about now.

Same behaviour as `TemporalEnsembleWrapper` of Octo's gym wrappers. The idea is from Zhao et al., "Learning Fine-Grained Bimanual
Manipulation with Low-Cost Hardware", RSS 2023, section IV-B, https://arxiv.org/abs/2304.13705
"""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float
from octoscope.errors import SelectionError


@dataclass(frozen=True)
class TemporalEnsemble:
    """Weighs the predictions of the last chunks for the present step by `exp(-exp_weight * i)`, `i = 0` for the OLDEST.

    So a positive `exp_weight` trusts old predictions more than new ones, as in the paper and the original; 0 is the plain mean.

    >>> execution = TemporalEnsemble()
    >>> chunks, action = execution.next_action((), np.array([[1.0], [2.0]]))
    >>> chunks, action = execution.next_action(chunks, np.array([[4.0], [5.0]]))
    >>> action  # the mean of 2, foreseen one step ago, and 4
    array([3.])
    """

    exp_weight: float | int = 0.0
    # How many actions of each chunk are used, and so how many chunks are kept; None is the whole chunk.
    pred_horizon: int | None = None

    def __post_init__(self) -> None:
        """Checks the numbers.

        Raises:
          SelectionError: If the weight is not finite, or the horizon less than 1.
        """
        if not np.isfinite(self.exp_weight):
            raise SelectionError(f"`exp_weight` must be a finite number, got {self.exp_weight}.")
        if self.pred_horizon is not None and self.pred_horizon < 1:
            raise SelectionError(
                f"`pred_horizon` must be 1 or more, or None for whole chunks, got {self.pred_horizon}."
            )

    def wants_chunk(self, pending: tuple[np.ndarray, ...]) -> bool:
        """Returns True: the policy is asked at every step."""
        return True

    def next_action(
        self, pending: tuple[np.ndarray, ...], chunk: Float[np.ndarray, "horizon dim"] | None
    ) -> tuple[tuple[np.ndarray, ...], Float[np.ndarray, " dim"]]:
        """Returns the chunks to keep, oldest first, and the action of now, in float64.

        Args:
          pending: Chunks of the steps before, oldest first; () at the start of an episode.
          chunk: What the policy has just predicted.

        Raises:
          SelectionError: If the chunk is shorter than `pred_horizon`.
        """
        assert chunk is not None, "a chunk is wanted at every step"
        horizon = len(chunk) if self.pred_horizon is None else self.pred_horizon
        if len(chunk) < horizon:
            raise SelectionError(
                f"`pred_horizon` must be at most {len(chunk)}, the actions that the policy predicts, got {horizon}."
            )
        chunks = (*pending, chunk[:horizon])[-horizon:]
        # The oldest chunk foresaw now as its last action, the newest as its first.
        foreseen = np.stack([old[len(chunks) - 1 - i] for i, old in enumerate(chunks)])
        weights = np.exp(-self.exp_weight * np.arange(len(chunks)))
        weights = weights / weights.sum()
        return chunks, np.sum(weights[:, None] * foreseen, axis=0)
