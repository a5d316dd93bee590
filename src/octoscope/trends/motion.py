"""How the robot moves in an episode, as far as its actions tell: what phases are cut by."""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float
from octoscope.runs.run import Run

# x, y, z, three of rotation, gripper: what nearly all datasets of single arms hold.
_ARM = 7
RULE = (
    "Of actions of 7 numbers the speed is the length of the first three, and the gripper is the last; of any others the speed is the "
    "length of all of them, and there is no gripper. Actions are the recorded ones, and the policy's where none were recorded."
)


@dataclass(frozen=True)
class Motion:
    """Per step of a run; empty where nothing tells."""

    # As recorded, in whatever unit; NaN where it is not finite.
    speed: tuple[float, ...] = ()
    gripper: tuple[float, ...] = ()


def read_motion(run: Run) -> Motion:
    """Returns speed and gripper at each step of a run."""
    recorded = run.recorded_actions
    if recorded is not None and len(recorded) > max(run.steps):
        return motion_of(recorded[list(run.steps)])
    return motion_of(run.actions[:, 0])


def motion_of(actions: Float[np.ndarray, "step dim"]) -> Motion:
    """Returns what actions tell, by `RULE`.

    >>> motion_of(np.array([[3.0, 4.0, 0.0, 9.0, 9.0, 9.0, 1.0]]))
    Motion(speed=(5.0,), gripper=(1.0,))
    """
    actions = np.asarray(actions, np.float64)
    arm = actions.shape[1] == _ARM
    speed = np.linalg.norm(actions[:, :3] if arm else actions, axis=1)
    return Motion(tuple(speed.tolist()), tuple(actions[:, -1].tolist()) if arm else ())
