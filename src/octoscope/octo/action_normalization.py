"""Actions back in the robot's own units."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import numpy as np
from jaxtyping import Array, Float


class NormalizationType(StrEnum):
    """How a dataset's actions were normalised for training."""

    NORMAL = "normal"  # zero mean, unit variance
    BOUNDS = "bounds"  # 1st to 99th percentile to -1..1


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

    >>> unnormalize_actions(np.ones((1, 1, 2)), {"mean": [1.0], "std": [3.0]})
    array([[[4.]]])
    """
    if normalization_type == NormalizationType.NORMAL:
        offset, scale = np.asarray(statistics["mean"]), np.asarray(statistics["std"])
    else:
        low, high = np.asarray(statistics["p01"]), np.asarray(statistics["p99"])
        offset, scale = (low + high) / 2, (high - low) / 2
    mask = np.asarray(statistics.get("mask", np.ones(len(offset), bool)))
    actions = np.asarray(actions)[..., : len(mask)]
    return np.where(mask, actions * scale.astype(actions.dtype) + offset.astype(actions.dtype), actions)
