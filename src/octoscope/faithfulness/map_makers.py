"""What makes the maps of a policy, and which steps they are scored on."""

from octoscope.faithfulness.cells import Cells
from octoscope.faithfulness.readout_maps import possible_methods
from octoscope.faithfulness.settings import FaithfulnessSettings
from octoscope.faithfulness.step_maps import MapMaker
from octoscope.interventions.step_scene import StepScene


def spread_steps(length: int, count: int) -> list[int]:
    """Returns steps spread evenly over an episode, from after its first to its last; all of a shorter one.

    >>> spread_steps(10, 3)
    [1, 5, 8]
    """
    return sorted({int((place + 0.5) * length / count) for place in range(min(count, length))}) if length else []


def map_maker(scene: StepScene, settings: FaithfulnessSettings) -> MapMaker:
    """Returns what makes the maps of a policy, for steps of the layout of this one.

    Methods that the policy does not allow are left out, and the maker says why.

    Raises:
      SelectionError: If the action has no such entry as the settings' target.
    """
    settings.target.check(scene.space.horizon, scene.space.predicted)
    methods, left_out = possible_methods(scene, settings.methods)
    return MapMaker(
        Cells(scene.layout),
        settings.target,
        settings.occlusion,
        settings.path_points,
        methods,
        left_out,
        settings.path_tolerance,
        settings.batch,
    )
