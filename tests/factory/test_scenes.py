"""Fresh scenes: distinct objects, often of one colour, apart from each other, the same for the same seed."""

import dataclasses

import numpy as np

from factory.tabletop.scenes import CLEARANCE, SPREAD, sample_scenes, shares_a_colour
from factory.tabletop.state import NOTHING, State, concatenate, take
from octoscope.embedded.table_names import SHAPES


def test_scenes_repeat_with_their_seed():
    first, again = (sample_scenes(np.random.default_rng(3), 20) for _ in range(2))
    other = sample_scenes(np.random.default_rng(4), 20)
    for field in dataclasses.fields(State):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(again, field.name))
    assert (first.position != other.position).any()


def test_no_scene_holds_two_objects_of_the_same_kind():
    scenes = sample_scenes(np.random.default_rng(0), 500)
    kinds = scenes.colour * len(SHAPES) + scenes.shape
    assert all(len(set(row)) == len(row) for row in kinds.tolist())


def test_most_scenes_hold_two_objects_of_one_colour():
    scenes = sample_scenes(np.random.default_rng(0), 500)
    assert shares_a_colour(scenes).any(axis=1).mean() >= 0.5


def test_objects_start_apart_on_the_table_with_an_empty_hand():
    scenes = sample_scenes(np.random.default_rng(0), 200)
    flat = scenes.position[..., :2]
    distance = np.linalg.norm(flat[:, :, None] - flat[:, None], axis=3) + np.eye(4)
    assert distance.min() > CLEARANCE
    assert (np.abs(flat) <= SPREAD).all()
    assert (scenes.held == NOTHING).all()


def test_batches_split_and_join():
    scenes = sample_scenes(np.random.default_rng(0), 5)
    joined = concatenate([take(scenes, slice(0, 2)), take(scenes, slice(2, 5))])
    np.testing.assert_array_equal(joined.gripper, scenes.gripper)
    assert len(joined) == 5
