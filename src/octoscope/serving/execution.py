"""How predicted chunks become one action per control step."""

from typing import Any, Protocol, runtime_checkable

import numpy as np

from octoscope.array_typing import Float
from octoscope.errors import SelectionError, nearest
from octoscope.serving.receding_horizon import RecedingHorizon
from octoscope.serving.temporal_ensemble import TemporalEnsemble


@runtime_checkable
class Execution(Protocol):
    """A pure rule: what is pending and a new chunk in, what is pending and the action of now out. It starts from ()."""

    def wants_chunk(self, pending: Any) -> bool:
        """Returns whether the policy must be asked before the next action."""
        ...

    def next_action(
        self, pending: Any, chunk: Float[np.ndarray, "horizon dim"] | None
    ) -> tuple[Any, Float[np.ndarray, " dim"]]:
        """Returns what is pending then, and the action of now."""
        ...


_NAMED: dict[str, Execution] = {
    "receding": RecedingHorizon(1),
    "chunk": RecedingHorizon(None),
    "ensemble": TemporalEnsemble(),
}


def find_execution(execution: str | Execution) -> Execution:
    """Returns the rule of a name: "receding" (one action per chunk), "chunk" (whole chunks), "ensemble" (their mean).

    Raises:
      SelectionError: If there is no rule of that name.

    >>> find_execution("receding")
    RecedingHorizon(exec_horizon=1)
    """
    if not isinstance(execution, str):
        return execution
    if execution not in _NAMED:
        raise SelectionError(
            f"`execution` must be {', '.join(map(repr, _NAMED))}, a RecedingHorizon or a TemporalEnsemble, got '{execution}'."
            + nearest(execution, _NAMED)
        )
    return _NAMED[execution]
