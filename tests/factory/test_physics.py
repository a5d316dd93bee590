"""The quasi-static world: taking, carrying, dropping, pushing, keeping apart."""

import dataclasses

import numpy as np
import pytest

from factory.tabletop.physics import CONTACT_HEIGHT, GRIPPER_LOW, OBJECT_LIMITS, step_physics, touched_object
from factory.tabletop.state import NOTHING, State

CLOSE, OPEN = 0.0, 1.0


@pytest.fixture
def table() -> State:
    """One table-top: four objects in a row, the opened gripper low over the first."""
    position = np.zeros((1, 4, 3))
    position[0, :, 0] = [-0.2, -0.05, 0.08, 0.21]
    return State(
        position=position,
        radius=np.full((1, 4), 0.04),
        yaw=np.zeros((1, 4)),
        colour=np.array([[0, 1, 2, 3]]),
        shape=np.array([[0, 1, 2, 3]]),
        gripper=np.array([[-0.2, 0.0, GRIPPER_LOW]]),
        opened=np.array([True]),
        held=np.array([NOTHING]),
        look=np.array([0]),
    )


def act(state: State, *, x: float = 0.0, y: float = 0.0, z: float = 0.0, grip: float) -> State:
    return step_physics(state, np.array([[x, y, z, 0.0, 0.0, 0.0, grip]]))


def test_closing_over_an_object_takes_it_and_opening_drops_it(table):
    taken = act(table, grip=CLOSE)
    assert taken.held[0] == 0
    lifted = act(act(taken, z=1.0, grip=CLOSE), z=1.0, grip=CLOSE)
    assert lifted.position[0, 0, 2] == pytest.approx(0.1)
    dropped = act(lifted, grip=OPEN)
    assert dropped.held[0] == NOTHING
    assert dropped.position[0, 0, 2] == 0.0


@pytest.mark.parametrize(("offset", "taken"), [(0.045, True), (0.055, False)])
def test_the_grasp_reaches_five_centimetres(table, offset, taken):
    gripper = table.gripper + np.array([0.0, offset, 0.0])
    assert (act(dataclasses.replace(table, gripper=gripper), grip=CLOSE).held[0] == 0) == taken


def test_nothing_is_taken_from_above(table):
    gripper = np.array([[-0.2, 0.0, CONTACT_HEIGHT + 0.001]])
    assert act(dataclasses.replace(table, gripper=gripper), grip=CLOSE).held[0] == NOTHING


def test_a_held_object_moves_into_the_middle_of_the_hand(table):
    state = act(dataclasses.replace(table, gripper=table.gripper + np.array([0.02, 0.03, 0.0])), grip=CLOSE)
    for _ in range(8):
        state = act(state, z=0.5, grip=CLOSE)
    np.testing.assert_allclose(state.position[0, 0, :2], state.gripper[0, :2], atol=1e-3)


def test_a_fist_pushes_even_off_centre_and_pushes_a_row(table):
    fist = dataclasses.replace(table, gripper=np.array([[-0.28, 0.02, GRIPPER_LOW]]), opened=np.array([False]))
    state = fist
    for _ in range(6):
        state = act(state, x=1.0, grip=CLOSE)
    moved = state.position[0, :, 0] - fist.position[0, :, 0]
    assert moved[0] > 0.2
    assert moved[1] > 0.1
    assert (np.abs(state.position[..., :2]) <= OBJECT_LIMITS).all()


def test_an_open_hand_pushes_nothing(table):
    state = act(dataclasses.replace(table, gripper=np.array([[-0.28, 0.0, GRIPPER_LOW]])), x=1.0, grip=OPEN)
    np.testing.assert_array_equal(state.position, table.position)


def test_overlapping_objects_move_apart(table):
    position = table.position.copy()
    position[0, 1, 0] = -0.19
    state = act(dataclasses.replace(table, position=position), grip=OPEN)
    assert state.position[0, 1, 0] - state.position[0, 0, 0] == pytest.approx(0.08)


def test_touched_object_needs_lowered_fingers(table):
    assert touched_object(table)[0] == 0
    raised = dataclasses.replace(table, gripper=np.array([[-0.2, 0.0, 0.12]]))
    assert touched_object(raised)[0] == NOTHING
