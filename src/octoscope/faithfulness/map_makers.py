"""What makes the maps of a policy, and which steps and dimensions of the action they are scored on."""

import numpy as np

from octoscope.array_typing import Bool
from octoscope.capture.provenance import acting_head
from octoscope.capture.robot_statistics import robot_statistics
from octoscope.faithfulness.cells import Cells
from octoscope.faithfulness.readout_maps import possible_methods
from octoscope.faithfulness.settings import FaithfulnessSettings
from octoscope.faithfulness.step_gradients import GradientPrograms
from octoscope.faithfulness.step_maps import MapMaker
from octoscope.interventions.batched_policy import batched_policy
from octoscope.interventions.intervene import moving_dimensions
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.octo.checkpoint.normalization_type import normalization_type
from octoscope.policies.octo.checkpoint.statistics import action_dimensions
from octoscope.policies.octo.model import OctoModel


def spread_steps(length: int, count: int) -> list[int]:
    """Returns steps spread evenly over an episode, from after its first to its last; all of a shorter one.

    >>> spread_steps(10, 3)
    [1, 5, 8]
    """
    return sorted({int((place + 0.5) * length / count) for place in range(min(count, length))}) if length else []


def counted_dimensions(model: OctoModel, dataset: str) -> Bool[np.ndarray, " dim"]:
    """Returns which dimensions of the head's action count: those that the robot has and the dataset moves."""
    statistics = robot_statistics(model, dataset)
    dimensions = model.module.heads[acting_head(model)].action_dim
    moves = moving_dimensions(statistics, dimensions, kind=normalization_type(model.config))
    return np.pad(moves, (0, dimensions - len(moves)))


def map_maker(model: OctoModel, scene: StepScene, settings: FaithfulnessSettings) -> MapMaker:
    """Returns what makes the maps of a policy, for steps of the layout of this one.

    Methods that the policy does not allow are left out, and the maker says why.

    Raises:
      SelectionError: If the action has no such entry as the settings' target.
    """
    head = scene.model.module.heads[acting_head(scene.model)]
    settings.target.check(head.action_horizon, head.action_dim)
    methods, left_out = possible_methods(scene, settings.methods)
    statistics = robot_statistics(model, scene.episode.dataset)
    action_dim = None if statistics is None else action_dimensions(statistics)
    return MapMaker(
        GradientPrograms(model, action_dim=action_dim),
        batched_policy(model, action_dim=action_dim, batch=settings.batch),
        Cells(scene.layout),
        settings.target,
        counted_dimensions(model, scene.episode.dataset),
        settings.occlusion,
        settings.path_points,
        methods,
        left_out,
        settings.path_tolerance,
    )
