"""The expert: what to do next for a task, from the state alone.

It is a function of state and task (Markov), so any state can be labelled with the action for any task. It is
continuous in gripper and object positions, and forgiving: it changes its mind gradually over centimetres, because
a network that learns it from pictures sees each object two centimetres off. Only whether the fingers are open and
what they hold switch it at once; both can be seen.

Inside, a plan is an array (batch, 4): how far to go in x, y and z, in metres, and the grip.
"""

import numpy as np

from factory.tabletop.physics import ACTION_SIZE, CONTACT_HEIGHT, FIST_HALF_SIZE, GRIPPER_LOW, REACH
from factory.tabletop.state import NOTHING, State, of_object
from factory.tabletop.tasks import NEAR_GAP, PICK_UP, PUSH, Task, rim_gap
from octoscope.array_typing import Float

# Heights of the gripper in metres: travelling empty, travelling with an object, after lifting.
HOVER, HOVER_LOADED, LIFT = 0.125, 0.15, 0.17
# The funnel: the gripper may be this much higher per metre that it is off its goal, beyond a flat bottom.
FUNNEL_SLOPE, FUNNEL_BOTTOM = 1.3, 0.02
# The share of the way to the goal that one action asks for; below 1 it averages what single looks get wrong.
GAIN = 0.7
# Where the fist goes down to push: this far behind the object's rim.
BEHIND = FIST_HALF_SIZE[0] + 0.03
# The free distance at which an object is put down beside another.
PLACE_GAP = 0.004


def expert_action(state: State, task: Task) -> Float[np.ndarray, "batch dim"]:
    """Returns the action (batch, 7) for each table-top: x, y, z in [-1, 1], three zeros, grip in [0, 1].

    The grip is 0 (close) or 1 (open) nearly everywhere and passes between them over a centimetre or so.

    >>> from factory.tabletop.scenes import sample_scenes
    >>> from factory.tabletop.tasks import sample_tasks
    >>> rng = np.random.default_rng(0)
    >>> scenes = sample_scenes(rng, 3)
    >>> expert_action(scenes, sample_tasks(rng, scenes)).shape
    (3, 7)
    """
    holds_target = state.held == task.target
    holds_wrongly = (state.held != NOTHING) & (~holds_target | (task.family == PUSH))
    cases = [
        holds_wrongly,
        task.family == PUSH,
        holds_target & (task.family == PICK_UP),
        holds_target,
        task.family == PICK_UP,
    ]
    plans = [_let_go(state), _push(state, task), _lift(state), _put_down(state, task), _grasp(state, task)]
    plan = np.select([case[:, None] for case in cases], plans, default=_grasp_unless_placed(state, task))
    return _to_action(plan)


def _let_go(state: State) -> Float[np.ndarray, "batch 4"]:
    return np.tile([0.0, 0.0, 0.0, 1.0], (len(state), 1))


def _lift(state: State) -> Float[np.ndarray, "batch 4"]:
    plan = np.zeros((len(state), 4))
    plan[:, 2] = LIFT - state.gripper[:, 2]
    return plan


def _grasp(state: State, task: Task) -> Float[np.ndarray, "batch 4"]:
    """Goes over the target and down on it, closing once it is between the fingers."""
    goal = of_object(state.position, task.target)[:, :2]
    motion, distance = _descend(state, goal, hover=HOVER)
    ready = _fall(distance, 0.028, 0.043) * _fall(state.gripper[:, 2], 0.055, 0.075)
    # A closed empty hand has missed, or has not opened yet.
    return _plan(motion, np.where(state.opened, 1.0 - ready, 1.0))


def _put_down(state: State, task: Task) -> Float[np.ndarray, "batch 4"]:
    """Carries the target to the near side of the reference and lets it go there."""
    centre = of_object(state.position, task.reference)[:, :2]
    away = state.gripper[:, :2] - centre
    away = away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-3)
    radii = of_object(state.radius, task.target) + of_object(state.radius, task.reference)
    motion, distance = _descend(state, centre + away * (radii + PLACE_GAP)[:, None], hover=HOVER_LOADED)
    return _plan(motion, _fall(distance, 0.025, 0.04) * _fall(state.gripper[:, 2], 0.05, 0.07))


def _grasp_unless_placed(state: State, task: Task) -> Float[np.ndarray, "batch 4"]:
    """Grasps the target, or rises with open hand as far as the target stands beside the reference already."""
    rise = np.zeros((len(state), 4))
    rise[:, 2] = LIFT - state.gripper[:, 2]
    rise[:, 3] = 1.0
    placed = _fall(rim_gap(state, task), NEAR_GAP - 0.03, NEAR_GAP - 0.01)[:, None]
    return placed * rise + (1.0 - placed) * _grasp(state, task)


def _push(state: State, task: Task) -> Float[np.ndarray, "batch 4"]:
    """Closes the hand in the air, comes down behind the target and drives it before the fist."""
    centre, radius = of_object(state.position, task.target)[:, :2], of_object(state.radius, task.target)
    ahead = (centre[:, 0] - state.gripper[:, 0]) * task.direction
    sideways = centre[:, 1] - state.gripper[:, 1]
    height = state.gripper[:, 2]

    behind = np.stack([centre[:, 0] - task.direction * (radius + BEHIND), centre[:, 1]], axis=1)
    approach, _ = _descend(state, behind, hover=HOVER, bottom=0.03)
    # An open hand low over an object would take it on closing, so it closes above.
    approach[:, 2] = np.where(state.opened, np.maximum(approach[:, 2], HOVER - height), approach[:, 2])
    drive = np.stack([task.direction * REACH, 0.8 * sideways, GRIPPER_LOW - height], axis=1)

    in_lane = _fall(np.abs(sideways), 0.03, 0.06) * (1.0 - _fall(ahead, 0.0, 0.03)) * _fall(height, 0.055, 0.085)
    driving = (in_lane * ~state.opened)[:, None]
    above = _fall(height, CONTACT_HEIGHT, CONTACT_HEIGHT + 0.012)
    return _plan(driving * drive + (1.0 - driving) * approach, np.where(state.opened, above, 0.0))


def _descend(
    state: State, goal: Float[np.ndarray, "batch 2"], *, hover: float, bottom: float = FUNNEL_BOTTOM
) -> tuple[Float[np.ndarray, "batch 3"], Float[np.ndarray, " batch"]]:
    """Returns the way to `goal` down a funnel, in metres, and the horizontal distance to it.

    Below the funnel's wall the gripper rises first and goes sideways slowly, not to sweep through what stands there.
    """
    way = goal - state.gripper[:, :2]
    distance = np.linalg.norm(way, axis=1)
    wall = GRIPPER_LOW + np.clip(FUNNEL_SLOPE * (distance - bottom), 0.0, hover - GRIPPER_LOW)
    rise = wall - state.gripper[:, 2]
    pace = GAIN * (0.25 + 0.75 * _fall(rise, 0.02, 0.07))
    return np.concatenate([way * pace[:, None], rise[:, None]], axis=1), distance


def _plan(motion: Float[np.ndarray, "batch 3"], grip: Float[np.ndarray, " batch"]) -> Float[np.ndarray, "batch 4"]:
    return np.concatenate([motion, grip[:, None]], axis=1)


def _fall(values: Float[np.ndarray, " batch"], full: float, none: float) -> Float[np.ndarray, " batch"]:
    """Returns 1 up to `full`, 0 from `none` on, and a straight line between."""
    return np.clip((none - values) / (none - full), 0.0, 1.0)


def _to_action(plan: Float[np.ndarray, "batch 4"]) -> Float[np.ndarray, "batch dim"]:
    """Shortens the way to what one action can do, keeping its horizontal direction."""
    action = np.zeros((len(plan), ACTION_SIZE), dtype=np.float32)
    length = np.linalg.norm(plan[:, :2], axis=1, keepdims=True)
    action[:, :2] = plan[:, :2] / np.maximum(length, REACH)
    action[:, 2] = np.clip(plan[:, 2] / REACH, -1.0, 1.0)
    action[:, 6] = plan[:, 3]
    return action
