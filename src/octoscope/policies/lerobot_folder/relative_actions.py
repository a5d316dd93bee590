"""Actions that are offsets to the robot's state: which dimensions are, and the way back."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from octoscope.errors import CheckpointError


@dataclass(frozen=True)
class RelativeActions:
    """Which dimensions of an action are offsets to the raw state of the step that the chunk was made at."""

    # Words that exempt a dimension whose name contains one, in any case: "gripper".
    excluded: tuple[str, ...]
    # Names of the dimensions; None: nothing is exempt.
    names: tuple[str, ...] | None

    def mask(self, dim: int) -> Bool[np.ndarray, " dim"]:
        """Returns which dimensions are relative.

        >>> RelativeActions(("gripper",), ("shoulder", "RIGHT_GRIPPER.pos", "wrist")).mask(4)
        array([ True, False,  True,  True])
        """
        words = [word.lower() for word in self.excluded if word]
        names = [name.lower() for name in self.names or ()][:dim]
        return np.array([not any(word in name for word in words) for name in [*names, *[""] * (dim - len(names))]])

    def to_absolute(
        self, actions: Float32[np.ndarray, "*chunk dim"], state: Float32[np.ndarray, " number"]
    ) -> Float32[np.ndarray, "*chunk dim"]:
        """Returns actions with the raw state added where they are relative to it.

        Raises:
          CheckpointError: If the state has fewer entries than an action has dimensions.
        """
        dim = actions.shape[-1]
        if len(state) < dim:
            raise CheckpointError(
                f"Actions of {dim} dimensions are relative to the state, which has only {len(state)} entries."
            )
        return actions + state[:dim] * self.mask(dim)


def read_relative_actions(config: dict[str, object]) -> RelativeActions | None:
    """Returns what `relative_actions_processor` does, or None where it is not enabled."""
    if not config.get("enabled", False):
        return None
    excluded, names = config.get("exclude_joints") or (), config.get("action_names")
    return RelativeActions(_texts(excluded), None if names is None else _texts(names))


def _texts(values: object) -> tuple[str, ...]:
    return tuple(str(value) for value in values) if isinstance(values, Sequence) and not isinstance(values, str) else ()
