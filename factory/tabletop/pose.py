"""Where the moving parts of the picture stand for a given state: plain geometry, no MuJoCo."""

import numpy as np

from factory.tabletop.scene_model import ARM_BASE, FINGER_HEIGHT, LINK_LENGTH, PALM_HEIGHT, WRIST_HEIGHT
from factory.tabletop.state import NOTHING, State
from octoscope.array_typing import Float
from octoscope.embedded.table_names import OBJECTS

# Half the distance between the fingers, in metres, by what they do.
_OPENED, _HOLDING, _FIST = 0.056, 0.048, 0.009
# How far a shadow moves per metre of height; the lamp stands at the front left.
_SHADOW_DRIFT = (0.10, 0.06)


def part_places(state: State, row: int) -> dict[str, Float[np.ndarray, " 3"]]:
    """Returns the place of each freely moving body of table-top `row`, by its name in the model."""
    places = {}
    for index in range(OBJECTS):
        base = state.position[row, index]
        places[f"object_{index}"] = base
        places[f"shadow_{index}"] = _shadow(base, layer=index)
    gripper = state.gripper[row]
    spread = _OPENED if state.opened[row] else (_FIST if state.held[row] == NOTHING else _HOLDING)
    places["gripper_shadow"] = _shadow(gripper, layer=OBJECTS)
    places["palm"] = gripper + np.array([0.0, 0.0, PALM_HEIGHT])
    places["left_finger"] = gripper + np.array([-spread, 0.0, FINGER_HEIGHT])
    places["right_finger"] = gripper + np.array([spread, 0.0, FINGER_HEIGHT])
    return places


def arm_joints(gripper: Float[np.ndarray, " 3"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns shoulder, elbow and wrist (3 each) of an arm of two equal links with its elbow up."""
    shoulder, wrist = np.array(ARM_BASE), gripper + np.array([0.0, 0.0, WRIST_HEIGHT])
    span = wrist - shoulder
    # The far corners are just out of reach; there the links are drawn straight and end short of the wrist.
    length = min(float(np.linalg.norm(span)), 1.98 * LINK_LENGTH)
    along = span / np.linalg.norm(span)
    upwards = np.array([0.0, 0.0, 1.0]) - along * along[2]
    upwards /= np.linalg.norm(upwards)
    elbow = shoulder + along * length / 2 + upwards * np.sqrt(LINK_LENGTH**2 - (length / 2) ** 2)
    return shoulder, elbow, wrist


def turn_about_z(angle: float) -> tuple[float, float, float, float]:
    """Returns the quaternion (w, x, y, z) of a turn by `angle` radians."""
    return float(np.cos(angle / 2)), 0.0, 0.0, float(np.sin(angle / 2))


def turn_from_z(direction: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 4"]:
    """Returns a quaternion (w, x, y, z) that turns the z axis to `direction` (not straight down)."""
    unit = direction / np.linalg.norm(direction)
    halfway = np.array([1.0 + unit[2], -unit[1], unit[0], 0.0])
    return halfway / np.linalg.norm(halfway)


def _shadow(place: Float[np.ndarray, " 3"], *, layer: int) -> Float[np.ndarray, " 3"]:
    # Each shadow has a height of its own: two discs at one height would flicker where they overlap.
    drift = place[2] * np.array(_SHADOW_DRIFT)
    return np.array([place[0] + drift[0], place[1] + drift[1], 0.001 + 2e-4 * layer])
