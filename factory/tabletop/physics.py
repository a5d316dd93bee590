"""What an action does to a table-top: a quasi-static world in which things stay where they are put.

An action is (x, y, z, three rotations that are ignored, grip). Each of x, y, z in [-1, 1] moves the
gripper by up to REACH metres; a grip above 0.5 opens it, else it closes. Closing low over an object takes it;
a closed, empty gripper is a fist that pushes what it meets; objects push each other apart and stay on the table.
Nothing falls over, rolls, or bounces.
"""

import dataclasses

import numpy as np

from factory.tabletop.state import NOTHING, State, of_object
from octoscope.array_typing import Bool, Float, Int
from octoscope.embedded.table_names import OBJECTS

REACH = 0.05
ACTION_SIZE = 7
GRIPPER_LOW, GRIPPER_HIGH = 0.03, 0.22
GRIPPER_LIMITS = (0.32, 0.26)
OBJECT_LIMITS = (0.28, 0.22)
# An object is taken when its centre is within this of the gripper, in x and in y: the opened fingers reach so far.
GRASP_HALF_WIDTH = 0.05
# Fingertips at or above this height pass over everything that stands on the table.
CONTACT_HEIGHT = 0.085
# The fist: thin along x, as wide as an object along y, so that an object does not slip off a push along x.
FIST_HALF_SIZE = (0.014, 0.040)
# The share of its sideways offset that a pushed object loses per substep: it settles into the middle of the fist.
CUPPING = 0.1
# The share of its offset that a held object keeps per step: the closing fingers centre it.
OFFSET_KEPT = 0.5
# A whole action could jump past first contact; in quarters it moves less than half a fist.
SUBSTEPS = 4
# A carried object with its base above this height passes over the others.
CARRY_CLEARANCE = 0.07


def step_physics(state: State, actions: Float[np.ndarray, "batch dim"]) -> State:
    """Returns the table-tops after one action each.

    Args:
      state: The table-tops before.
      actions: (batch, 7); entries outside [-1, 1] count as the nearest bound.

    >>> from factory.tabletop.scenes import sample_scenes
    >>> scenes = sample_scenes(np.random.default_rng(0), 2)
    >>> step_physics(scenes, np.zeros((2, 7))).opened
    array([False, False])
    """
    opens = actions[:, 6] > 0.5
    travel = REACH * np.clip(actions[:, :3], -1.0, 1.0)
    limits = np.array(GRIPPER_LIMITS)
    gripper, position = state.gripper, state.position
    for _ in range(SUBSTEPS):
        before = gripper
        moved = gripper + travel / SUBSTEPS
        gripper = np.concatenate(
            [np.clip(moved[:, :2], -limits, limits), np.clip(moved[:, 2:], GRIPPER_LOW, GRIPPER_HIGH)], axis=1
        )
        position = _carry(position, state.held, gripper - before)
        fist = ~state.opened & ~opens & (state.held == NOTHING) & (gripper[:, 2] < CONTACT_HEIGHT)
        position = _push(position, state.radius, gripper, fist)
        position = _separate(position, state.radius, state.held)
    moved_state = dataclasses.replace(state, gripper=gripper, position=position)
    return _settle(moved_state, opens)


def graspable(state: State) -> Int[np.ndarray, " batch"]:
    """Returns the object that closing the gripper would take, or NOTHING."""
    offset = np.abs(state.position[:, :, :2] - state.gripper[:, None, :2]).max(axis=2)
    nearest = offset.argmin(axis=1)
    within = (of_object(offset, nearest) < GRASP_HALF_WIDTH) & (state.gripper[:, 2] < CONTACT_HEIGHT)
    return np.where(within, nearest, NOTHING)


def touched_object(state: State) -> Int[np.ndarray, " batch"]:
    """Returns the object that is held or that the lowered fingers reach (the nearest of them), or NOTHING."""
    offset = np.abs(state.position[:, :, :2] - state.gripper[:, None, :2])
    # A fist at contact stands just outside the object's rim; one centimetre of margin counts that as reached.
    reach = np.stack([state.radius + FIST_HALF_SIZE[0] + 0.01, state.radius + 0.01], axis=2)
    low = state.gripper[:, 2] < CONTACT_HEIGHT
    reached = (offset < reach).all(axis=2) & low[:, None]
    nearest = np.where(reached, np.linalg.norm(offset, axis=2), np.inf).argmin(axis=1)
    free = np.where(reached.any(axis=1), nearest, NOTHING)
    return np.where(state.held != NOTHING, state.held, free)


def _settle(state: State, opens: Bool[np.ndarray, " batch"]) -> State:
    """Takes, centres or drops: what the fingers do at the end of an action."""
    takes = state.opened & ~opens & (state.held == NOTHING)
    held = np.where(takes, graspable(state), state.held)
    held = np.where(opens, NOTHING, held)
    is_held = held[:, None] == np.arange(OBJECTS)
    rest = (state.gripper - np.array([0.0, 0.0, GRIPPER_LOW]))[:, None]
    centred = rest + OFFSET_KEPT * (state.position - rest)
    dropped = ~is_held & (state.position[..., 2] > 0)
    position = np.where(is_held[..., None], centred, state.position)
    position[dropped, 2] = 0.0
    return dataclasses.replace(state, position=_separate(position, state.radius, held), held=held, opened=opens)


def _carry(
    position: Float[np.ndarray, "batch object 3"], held: Int[np.ndarray, " batch"], travel: Float[np.ndarray, "batch 3"]
) -> Float[np.ndarray, "batch object 3"]:
    is_held = held[:, None] == np.arange(OBJECTS)
    carried = position + is_held[..., None] * travel[:, None]
    carried[..., 2] = np.maximum(carried[..., 2], 0.0)
    return carried


def _push(
    position: Float[np.ndarray, "batch object 3"],
    radius: Float[np.ndarray, "batch object"],
    gripper: Float[np.ndarray, "batch 3"],
    fist: Bool[np.ndarray, " batch"],
) -> Float[np.ndarray, "batch object 3"]:
    """Moves each object out of the fist along the axis on which the two overlap least."""
    offset = position[..., :2] - gripper[:, None, :2]
    overlap = radius[..., None] + np.array(FIST_HALF_SIZE) - np.abs(offset)
    hit = (overlap > 0).all(axis=2) & fist[:, None]
    along_x = hit & (overlap[..., 0] <= overlap[..., 1])
    along_y = hit & ~along_x
    side = np.where(offset >= 0, 1.0, -1.0)
    shift_x = along_x * side[..., 0] * overlap[..., 0]
    shift_y = along_y * side[..., 1] * overlap[..., 1] - along_x * CUPPING * offset[..., 1]
    return position + np.stack([shift_x, shift_y, np.zeros_like(shift_x)], axis=2)


def _separate(
    position: Float[np.ndarray, "batch object 3"],
    radius: Float[np.ndarray, "batch object"],
    held: Int[np.ndarray, " batch"],
) -> Float[np.ndarray, "batch object 3"]:
    """Moves overlapping objects apart, half each (a held one stays), and keeps them on the table."""
    limits = np.array(OBJECT_LIMITS)
    yields = np.where(held[:, None] == np.arange(OBJECTS), 0.0, 1.0)
    share = yields[:, :, None] / np.maximum(yields[:, :, None] + yields[:, None, :], 1.0)
    reach = radius[:, :, None] + radius[:, None, :]
    level = np.abs(position[:, :, None, 2] - position[:, None, :, 2]) < CARRY_CLEARANCE
    level &= ~np.eye(OBJECTS, dtype=bool)
    fixed = (yields == 0.0)[..., None]
    flat = position[..., :2]
    # Twice, because moving one pair apart can press another together.
    for _ in range(2):
        gap = flat[:, :, None] - flat[:, None, :]
        distance = np.linalg.norm(gap, axis=3)
        overlap = np.maximum(reach - distance, 0.0) * level
        shift = (gap / np.maximum(distance, 1e-6)[..., None] * (overlap * share)[..., None]).sum(axis=2)
        flat = np.where(fixed, flat, np.clip(flat + shift, -limits, limits))
    return np.concatenate([flat, position[..., 2:]], axis=2)
