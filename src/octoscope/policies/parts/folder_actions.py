"""Actions of a policy from a LeRobot folder: its own statistics bring them to the robot's units, whatever dataset it acts over."""

import numpy as np

from octoscope.policies.action_space import ActionSpace
from octoscope.policies.inputs import PolicyInputs
from octoscope.policies.lerobot_folder.features import STATE, camera_name
from octoscope.policies.lerobot_folder.processing import Processing


def folder_action_space(
    processing: Processing, *, horizon: int, dim: int, dataset: str, deterministic: bool = False
) -> ActionSpace:
    """Returns the chunk; offsets to the state become absolute with the raw state of the step that the chunk was made at."""
    relative = processing.relative_actions

    def absolute(actions: np.ndarray, inputs: PolicyInputs) -> np.ndarray:
        assert relative is not None, "only offsets become absolute"
        return relative.to_absolute(actions, np.asarray(inputs.numbers[camera_name(STATE)][-1], np.float32))

    return ActionSpace(
        horizon,
        dim,
        np.ones(dim, bool),
        lambda actions: processing.action.unnormalize(np.asarray(actions, np.float32)),
        deterministic=deterministic,
        dataset=dataset,
        to_absolute=None if relative is None else absolute,
    )
