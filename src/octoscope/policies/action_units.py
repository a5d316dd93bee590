"""What the dimensions of a dataset's actions are called, and their units, where that is known."""

from collections.abc import Sequence
from dataclasses import dataclass

_POSE = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
_METRES = ("m", "m", "m", "rad", "rad", "rad", "0..1")
# Datasets whose actions are differences of the gripper's pose; of others, the units are not known here.
_KNOWN = {
    "bridge_dataset": (_POSE, _METRES),
    "bridge": (_POSE, _METRES),
    "fractal20220817_data": (_POSE, _METRES),
    "tabletop": (_POSE, _METRES),
    "tabletop_red": (("x", "y", "z", "gripper"), ("m", "m", "m", "0..1")),
}
# Where a recorded number is not the unit itself: the table-top's 1 is a whole step of 0.05 m.
_SCALES = {"tabletop": (0.05, 0.05, 0.05, 1.0, 1.0, 1.0, 1.0), "tabletop_red": (0.05, 0.05, 0.05, 1.0)}


@dataclass(frozen=True)
class ActionUnits:
    """Names and units of the dimensions of an action."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    # What a recorded 1 is, in that unit.
    scale: tuple[float, ...]

    def labels(self) -> list[str]:
        """Returns "x (m)" and the like."""
        return [f"{name} ({unit})" if unit else name for name, unit in zip(self.names, self.units, strict=True)]


def action_units(dataset: str, dimensions: int, *, units: Sequence[str] | None = None) -> ActionUnits:
    """Returns what is known of a dataset's actions; a dimension that nothing is known of is called by its number.

    Args:
      dataset: Name of the dataset.
      dimensions: How many an action has.
      units: From someone who knows; one each.

    Raises:
      ValueError: If `units` has another number.

    >>> action_units("bridge_dataset", 7).labels()[:4]
    ['x (m)', 'y (m)', 'z (m)', 'roll (rad)']
    >>> action_units("my_robot", 2).labels()
    ['0 (as recorded)', '1 (as recorded)']
    """
    if units is not None and len(units) != dimensions:
        raise ValueError(f"`units` must name one unit for each of {dimensions} dimensions, got {len(units)}.")
    names, known = _KNOWN.get(dataset, ((), ()))
    if len(names) != dimensions:
        names, known = tuple(str(i) for i in range(dimensions)), ("as recorded",) * dimensions
    if units is not None:
        return ActionUnits(names, tuple(units), (1.0,) * dimensions)
    scale = _SCALES.get(dataset, ())
    return ActionUnits(names, known, scale if len(scale) == dimensions else (1.0,) * dimensions)
