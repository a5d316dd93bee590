"""Actions back in the robot's own units."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Array, Float

from octoscope.policies.normalization_type import NormalizationType
from octoscope.policies.octo.checkpoint.statistics import (
    NEEDED,
    action_dimensions,
    complete_statistics,
    statistics_faults,
)


def unnormalize_actions(
    actions: Float[Array | np.ndarray, "*batch horizon dim"],
    statistics: Mapping[str, Any],
    normalization_type: NormalizationType = NormalizationType.NORMAL,
) -> Float[np.ndarray, "*batch horizon robot_dim"]:
    """Returns actions in recorded units, cut to the dimensions that the robot has.

    Args:
      actions: Normalised actions.
      statistics: `mean` and `std`, or `p01` and `p99`, per dimension; `mask` is True where a dimension was normalised.
      normalization_type: Which of the two was used in training.

    Raises:
      ValueError: If the statistics lack what is needed, have other shapes, are not finite, or are of more dimensions than the
        actions.

    >>> unnormalize_actions(np.ones((1, 1, 2)), {"mean": [1.0], "std": [3.0]})
    array([[[4.]]])
    """
    statistics = usable_statistics(statistics, normalization_type)
    if action_dimensions(statistics) > actions.shape[-1]:
        raise ValueError(
            f"`statistics` are of {action_dimensions(statistics)} dimensions, the actions have {actions.shape[-1]}: they are "
            "another robot's."
        )
    first, second = (statistics[key] for key in NEEDED[normalization_type])
    if normalization_type == NormalizationType.NORMAL:
        offset, scale = first, second
    else:
        offset, scale = (first + second) / 2, (second - first) / 2
    mask = statistics["mask"]
    actions = np.asarray(actions)[..., : len(mask)]
    return np.where(mask, actions * scale.astype(actions.dtype) + offset.astype(actions.dtype), actions)


def usable_statistics(statistics: Mapping[str, Any], normalization_type: NormalizationType) -> dict[str, Any]:
    """Returns statistics that somebody gave, checked and with a `mask`.

    Raises:
      ValueError: If they cannot be right.
    """
    faults = statistics_faults(statistics, normalization_type)
    if faults:
        raise ValueError(f"`statistics` of actions cannot be used: {'; '.join(faults)}.")
    return complete_statistics(statistics, normalization_type)
