"""Statistics of LeRobot 0.3 and older, which lie inside the weights under names that lost their dots.

`normalize_inputs.buffer_observation_images_top_cam.mean` belongs to `observation.images.top_cam`: the names are matched against the
features of config.json, because "_" cannot be turned back into "." (LeRobot's own migration loses a camera named `top_cam`).
"""

from collections.abc import Iterable, Mapping

import numpy as np

from octoscope.errors import CheckpointError
from octoscope.policies.lerobot_folder.features import Feature

_PREFIXES = ("normalize_inputs.buffer_", "normalize_targets.buffer_", "unnormalize_outputs.buffer_")


def is_old_statistic(name: str) -> bool:
    """Whether an array of model.safetensors is a statistic and no weight.

    >>> is_old_statistic("normalize_inputs.buffer_observation_state.mean"), is_old_statistic("model.action_head.bias")
    (True, False)
    """
    return name.startswith(_PREFIXES)


def old_statistics(weights: Mapping[str, np.ndarray], features: Iterable[Feature]) -> dict[str, np.ndarray]:
    """Returns the statistics inside the weights by "FEATURE.STATISTIC", as newer folders name them; empty where there are none.

    Raises:
      CheckpointError: If two features would have the same old name, or the files' own copies differ.
    """
    by_old_name: dict[str, str] = {}
    for feature in features:
        old_name = feature.name.replace(".", "_")
        if old_name in by_old_name:
            raise CheckpointError(
                f"Statistics inside the weights are called '{old_name}', which may be '{by_old_name[old_name]}' or '{feature.name}'. "
                "Migrate this folder with the LeRobot that made it."
            )
        by_old_name[old_name] = feature.name
    statistics: dict[str, np.ndarray] = {}
    for name, array in weights.items():
        if is_old_statistic(name):
            prefix = next(prefix for prefix in _PREFIXES if name.startswith(prefix))
            old_name, _, statistic = name.removeprefix(prefix).rpartition(".")
            if old_name in by_old_name:
                key = f"{by_old_name[old_name]}.{statistic}"
                if not np.array_equal(statistics.setdefault(key, array), array):
                    raise CheckpointError(
                        f"The weights hold two different statistics '{key}'. Copy the file again from its source."
                    )
    return statistics
