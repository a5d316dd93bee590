"""Tasks to label training pictures with."""

import dataclasses

import numpy as np

from factory.tabletop.scenes import sample_scenes
from factory.tabletop.state import NOTHING
from factory.tabletop.tasks import PICK_UP, PUSH, PUT_NEXT_TO, sample_tasks
from factory.tabletop.training_tasks import LABEL_PUSH_ROOM, sample_training_tasks


def test_without_a_preference_any_task_is_as_likely():
    scenes = sample_scenes(np.random.default_rng(0), 50)
    drawn = sample_training_tasks(np.random.default_rng(1), scenes)
    plain = sample_tasks(np.random.default_rng(1), scenes, push_room=LABEL_PUSH_ROOM)
    for field in dataclasses.fields(plain):
        np.testing.assert_array_equal(getattr(drawn, field.name), getattr(plain, field.name))


def test_a_full_hand_is_asked_about_what_it_holds():
    rng = np.random.default_rng(0)
    scenes = sample_scenes(rng, 400)
    scenes = dataclasses.replace(scenes, held=rng.integers(4, size=400), opened=np.zeros(400, bool))
    task = sample_training_tasks(rng, scenes, under_way=1.0)
    np.testing.assert_array_equal(task.target, scenes.held)
    assert set(task.family) == {PICK_UP, PUT_NEXT_TO}
    assert (task.reference != task.target).all()
    half = sample_training_tasks(rng, scenes, under_way=0.5)
    assert 0.5 < (half.target == scenes.held).mean() < 0.75


def test_a_fist_is_asked_to_push_and_an_open_hand_anything():
    rng = np.random.default_rng(0)
    scenes = sample_scenes(rng, 400)
    task = sample_training_tasks(rng, scenes, under_way=1.0)
    fists = ~scenes.opened & (scenes.held == NOTHING)
    assert (task.family[fists] == PUSH).all()
    assert set(task.family[~fists]) == {PICK_UP, PUSH, PUT_NEXT_TO}
    rows = np.arange(400)
    nearest = np.linalg.norm(scenes.position[..., :2] - scenes.gripper[:, None, :2], axis=2).argmin(axis=1)
    assert 0.6 < (task.target == nearest)[fists].mean() < 0.8
    outside = scenes.position[rows, task.target, 0] > LABEL_PUSH_ROOM
    assert (task.direction[outside] == -1).all()
