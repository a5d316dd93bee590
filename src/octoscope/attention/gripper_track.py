"""Where the gripper is at each step of a run, from the masks of datasets that number it."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from octoscope.array_typing import Float
from octoscope.embedded.table_names import GRIPPER_ID
from octoscope.runs.run import Run

# Dataset -> what its masks hold where they show the gripper. Of other datasets, nothing is known here.
GRIPPER_IDS: Mapping[str, int] = MappingProxyType({"tabletop": GRIPPER_ID})


def gripper_positions(run: Run, camera: str) -> Float[np.ndarray, "step 2"] | None:
    """Returns the centre (y, x) of the gripper's pixels in the current frame of each step; None where no mask tells them.

    NaN at steps at which the gripper is out of sight. A wrist camera sees its own gripper nearly at one place: no map follows that.

    Args:
      run: The run.
      camera: Whose frames.
    """
    number = GRIPPER_IDS.get(run.manifest.get("dataset", ""))
    if number is None or not run.has_masks(camera):
        return None
    centers = np.full((len(run.steps), 2), np.nan)
    for place, step in enumerate(run.steps):
        seen = np.argwhere(run.mask(camera, time=int(run.frame_index(step=step)[-1])) == number)
        if len(seen):
            centers[place] = seen.mean(axis=0) + 0.5
    return centers
