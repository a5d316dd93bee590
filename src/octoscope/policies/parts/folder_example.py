"""A step that a policy folder describes by itself: black frames and zeros of the sizes that its config names."""

import numpy as np

from octoscope.array_typing import Bool
from octoscope.errors import SelectionError
from octoscope.policies.inputs import PolicyInputs
from octoscope.policies.lerobot_folder.features import camera_name
from octoscope.policies.lerobot_folder.policy_folder import LeRobotFolder
from octoscope.policies.noise import Noise
from octoscope.policies.policy_model import PolicyModel, WantedAttention
from octoscope.tokens.layout import TokenLayout


def folder_example(
    policy: PolicyModel, folder: LeRobotFolder, instruction: str | None
) -> tuple[TokenLayout, Bool[np.ndarray, " token"]]:
    """Returns the layout of such a step, and which of its tokens are padded.

    Args:
      policy: That was read from the folder.
      folder: Whose features are shown.
      instruction: The words; none where it is None.

    Raises:
      SelectionError: If the policy reads no words and is given some.
    """
    needs = policy.needs
    if instruction is not None and not needs.words:
        raise SelectionError(f"{policy.card.name} reads no words: leave out --task.")
    shapes = {camera_name(feature.name): feature.shape for feature in folder.config.inputs}
    inputs = PolicyInputs(
        {name: np.zeros((needs.window, *shapes[name][1:], shapes[name][0]), np.uint8) for name in needs.cameras},
        np.ones(needs.window, bool),
        {name: np.zeros((needs.window, *shape), np.float32) for name, shape in needs.numbers.items()},
        instruction,
    )
    layout = policy.layout(inputs)
    if not layout.stack_names:
        return layout, np.zeros(layout.size, bool)
    stack = layout.stack()
    # The least of the attention: what is wanted of the forward is which tokens are padded.
    query, key = (int(layout.places(groups)[0]) for groups in (stack.query_groups, stack.key_groups))
    watched = policy.watch(inputs, Noise(0, 0), [WantedAttention(stack.name, (query,), (key,), (0,))])
    return layout, watched.token_pad
