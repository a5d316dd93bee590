"""The state of many table-tops at once: objects, gripper and look, as arrays with a leading batch axis.

Lengths are metres. The origin lies on the table's surface in its middle; x points right and y away
from the fixed camera, z up. The axis `object` counts the objects of one scene, in no meaningful order.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float, Int

# What `held` says when the gripper holds nothing.
NOTHING = -1


@dataclass(frozen=True)
class State:
    """A batch of table-tops at one moment; what changes is made anew with `dataclasses.replace`."""

    # Centre of each object's base: x and y on the table, z its height above it (0 while it stands).
    position: Float[np.ndarray, "batch object 3"]
    # Horizontal size: objects touch when their centres are nearer than the sum of their radii.
    radius: Float[np.ndarray, "batch object"]
    # Turn about z in radians; only seen, never felt.
    yaw: Float[np.ndarray, "batch object"]
    # Indices into COLOURS and SHAPES.
    colour: Int[np.ndarray, "batch object"]
    shape: Int[np.ndarray, "batch object"]
    # The point between the fingertips.
    gripper: Float[np.ndarray, "batch 3"]
    opened: Bool[np.ndarray, " batch"]
    # Index of the object in the gripper, or NOTHING.
    held: Int[np.ndarray, " batch"]
    # Seed of table, tints and light; only seen.
    look: Int[np.ndarray, " batch"]

    def __len__(self) -> int:
        """Returns the number of table-tops in the batch."""
        return len(self.held)


def take(state: State, rows: object) -> State:
    """Returns the table-tops that `rows` selects, as NumPy would along the batch axis."""
    return State(**{field.name: getattr(state, field.name)[rows] for field in dataclasses.fields(State)})


def concatenate(states: Sequence[State]) -> State:
    """Returns the table-tops of all `states`, in order, as one batch."""
    names = [field.name for field in dataclasses.fields(State)]
    return State(**{name: np.concatenate([getattr(state, name) for state in states]) for name in names})


def of_object(values: np.ndarray, chosen: Int[np.ndarray, " batch"]) -> np.ndarray:
    """Returns, per table-top, the entry of `values` (batch, object, ...) that belongs to object `chosen`."""
    return values[np.arange(len(chosen)), chosen]
