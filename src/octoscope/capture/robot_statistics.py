"""The statistics that bring a policy's actions to the units of a dataset's robot."""

from collections.abc import Mapping

import numpy as np

from octoscope.capture.provenance import acting_head
from octoscope.errors import SelectionError
from octoscope.policies.octo.checkpoint.statistics import action_dimensions
from octoscope.policies.octo.model import OctoModel


def robot_statistics(model: OctoModel, dataset: str) -> Mapping[str, np.ndarray] | None:
    """Returns a dataset's action statistics; None where the policy has none, or none that fit its head: actions stay normalised.

    Raises:
      CheckpointError: If the policy has some that cannot be right.
      ConfigError: If its config names a normalisation that is not known.
    """
    try:
        statistics = model.action_statistics(dataset)
    except SelectionError:
        return None
    # Statistics of more dimensions than the head predicts are another robot's.
    predicted = model.module.heads[acting_head(model)].action_dim
    return statistics if action_dimensions(statistics) <= predicted else None


def unit_remarks(model: OctoModel, dataset: str) -> list[str]:
    """Returns why actions over a dataset stay normalised; nothing where they are in the robot's units too.

    Raises:
      CheckpointError: If the policy has statistics that cannot be right.
      ConfigError: If its config names a normalisation that is not known.
    """
    if robot_statistics(model, dataset) is not None:
        return []
    try:
        statistics = model.action_statistics(dataset)
    except SelectionError as error:
        return [f"Actions are normalised, not in the robot's units. {error}"]
    return [
        f"Actions are normalised, not in the robot's units. The action statistics of '{dataset}' are of {action_dimensions(statistics)} "
        f"dimensions, more than the head predicts: they belong to another robot."
    ]
