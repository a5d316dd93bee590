"""History in a control loop: the last observations stacked, and which of them are real.

Same behaviour as `HistoryWrapper` of Octo's gym wrappers: at the start of an episode the first observation fills the whole window,
and the mask says that only the last of its copies is real.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octoscope.array_typing import Bool

# Arrays by name; a dict among them holds arrays by name.
Observation = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class ObservationHistory:
    """The last observations of an episode, oldest first; always as many as the window is long."""

    observations: tuple[Observation, ...]
    # Observations since the episode began, at least 1; may exceed the window.
    seen: int

    @property
    def timestep_pad_mask(self) -> Bool[np.ndarray, " window"]:
        """False where the first observation stands in for a time before the episode."""
        window = len(self.observations)
        return np.arange(window) >= window - self.seen


def extend_history(history: ObservationHistory | None, observation: Observation, *, window: int) -> ObservationHistory:
    """Returns the history with one more observation; None starts an episode.

    Args:
      history: What came before; it is left as it is.
      observation: Arrays of the present time, without a window axis.
      window: Timesteps that are kept, the present one included, at least 1.

    >>> history = extend_history(None, {"proprio": np.zeros(7)}, window=3)
    >>> history.timestep_pad_mask
    array([False, False,  True])
    >>> extend_history(history, {"proprio": np.ones(7)}, window=3).timestep_pad_mask
    array([False,  True,  True])
    """
    if history is None:
        return ObservationHistory((observation,) * window, seen=1)
    return ObservationHistory((*history.observations, observation)[-window:], history.seen + 1)


def stack_history(history: ObservationHistory) -> dict[str, Any]:
    """Returns each entry with a leading window axis, oldest first, and `timestep_pad_mask` (window,).

    The mask is bool; the original's is float with the same values, which the policy reads alike.
    """
    return {**_stack(history.observations), "timestep_pad_mask": history.timestep_pad_mask}


def _stack(entries: Sequence[Any]) -> Any:
    if isinstance(entries[-1], Mapping):
        return {key: _stack([entry[key] for entry in entries]) for key in entries[-1]}
    return np.stack(entries)
