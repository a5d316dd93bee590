"""Pictures: the same state looks the same, masks lie where objects are. Skipped without MuJoCo."""

import dataclasses
import sys

import numpy as np
import pytest

from factory.tabletop.camera import PRIMARY_SIZE, patch_index, project
from factory.tabletop.evaluate import evaluate
from factory.tabletop.physics import GRIPPER_LOW
from factory.tabletop.renderer import SimulatorError, TabletopRenderer, load_mujoco
from factory.tabletop.scenes import sample_scenes
from factory.tabletop.shards import make_shard, read_shards, write_shards
from factory.tabletop.state import take
from factory.tabletop.training_data import TrainingData, load_training_data, sample_batch
from octoscope.embedded.table_names import GRIPPER_ID, OBJECTS, SHAPES


@pytest.fixture(scope="module")
def renderer():
    try:
        opened = TabletopRenderer(samples=0)
    except SimulatorError as error:
        pytest.skip(str(error))
    with opened:
        yield opened


def test_masks_lie_where_the_objects_are(renderer):
    scenes = sample_scenes(np.random.default_rng(0), 12)
    # Away from the objects, so that the arm hides none.
    scenes = dataclasses.replace(scenes, gripper=np.tile([0.0, 0.26, 0.22], (12, 1)))
    masks = renderer.segment(scenes, "primary")
    # Heights of the middle of each shape in the picture, in units of the radius, in the order of SHAPES.
    heights = np.array([0.86, 1.0, 1.2, 0.2])[scenes.shape] * scenes.radius
    middle = scenes.position + np.array([0, 0, 1]) * heights[..., None]
    places = project(middle) * PRIMARY_SIZE
    for row in range(len(scenes)):
        for index in range(OBJECTS):
            rows, columns = np.nonzero(masks[row] == index + 1)
            assert len(rows) > 40
            centre = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
            assert np.abs(centre - places[row, index]).max() < 2.0


def test_the_wrist_camera_sees_what_is_between_the_fingers(renderer):
    scenes = sample_scenes(np.random.default_rng(0), 4)
    above = scenes.position[:, 0] + np.array([0.0, 0.0, 0.1])
    masks = renderer.segment(dataclasses.replace(scenes, gripper=above, opened=np.ones(4, bool)), "wrist")
    assert ((masks == 1).sum(axis=(1, 2)) > 60).all()
    assert ((masks == GRIPPER_ID).sum(axis=(1, 2)) > 60).all()


def test_a_held_object_is_seen_whole_from_the_wrist(renderer):
    scenes = sample_scenes(np.random.default_rng(0), 4)
    position = scenes.position.copy()
    position[:, 0] = scenes.gripper - np.array([0.0, 0.0, GRIPPER_LOW])
    held = dataclasses.replace(
        scenes,
        position=position,
        shape=np.full((4, OBJECTS), SHAPES.index("ball")),
        opened=np.zeros(4, bool),
        held=np.zeros(4, int),
    )
    for mask in renderer.segment(held, "wrist") == 1:
        rows, columns = np.nonzero(mask)
        assert mask[round(rows.mean()), round(columns.mean())]


def test_pictures_depend_on_nothing_but_the_state(renderer):
    scenes = sample_scenes(np.random.default_rng(0), 3)
    first, _ = renderer.render_both(scenes)
    again, wrist = renderer.render_both(take(scenes, [2, 1, 0]))
    np.testing.assert_array_equal(first, again[::-1])
    np.testing.assert_array_equal(wrist, renderer.render(take(scenes, [2, 1, 0]), "wrist"))
    assert first.shape == (3, 128, 128, 3)
    assert wrist.shape == (3, 64, 64, 3)
    assert len({picture.tobytes() for picture in first}) == 3


def test_a_batch_has_pictures_words_and_actions(renderer):
    shard = make_shard(renderer, seed=5, number=0, pairs=8)
    data = TrainingData(shard.states, shard.primary, shard.wrist)
    batch = sample_batch(data, np.random.default_rng(0), 40)
    assert batch.primary.shape == (40, 2, 128, 128, 3)
    assert batch.wrist.shape == (40, 2, 64, 64, 3)
    assert batch.actions.shape == (40, 2, 4, 7)
    assert batch.timestep_pad_mask[:, 1].all()
    first = ~batch.timestep_pad_mask[:, 0]
    assert first.any()
    np.testing.assert_array_equal(batch.primary[first, 0], batch.primary[first, 1])
    np.testing.assert_array_equal(batch.actions[first, 0], batch.actions[first, 1])
    np.testing.assert_array_equal(batch.primary[0, 1], renderer_view(renderer, batch, 0))
    patches = patch_index(batch.target_place, grid=8)
    assert patches.shape == (40, 2)
    assert patches.max() < 64


def renderer_view(renderer, batch, row):
    return renderer.render(take(batch.states[1], slice(row, row + 1)), "primary")[0]


def test_shards_resume_and_stay_the_same(renderer, tmp_path, monkeypatch):
    monkeypatch.setattr("factory.tabletop.shards.PAIRS_PER_SHARD", 4)
    monkeypatch.setattr("factory.tabletop.shards.TabletopRenderer", lambda: renderer)
    monkeypatch.setattr(renderer, "close", lambda: None)
    next(write_shards(tmp_path, pairs=8, seed=1))
    stamp = (tmp_path / "shard_00000.npz").stat().st_mtime_ns
    assert len(list(write_shards(tmp_path, pairs=8, seed=1))) == 2
    assert (tmp_path / "shard_00000.npz").stat().st_mtime_ns == stamp
    assert len(read_shards(tmp_path)) == 2
    assert len(load_training_data(tmp_path)) == len(load_training_data(tmp_path).states[0])


def test_a_policy_that_rises_touches_nothing(renderer):
    seen = []

    def rise(given):
        seen.append(given)
        return np.tile([0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], (len(given.instructions), 1))

    result = evaluate(rise, episodes=3, family="pick_up", seed=0, wrong_instruction=True, steps=3)
    assert result.success_rate == result.original_rate == 0.0
    assert result.touched_named_rate == 0.0
    assert [mask.timestep_pad_mask[0].tolist() for mask in seen] == [[False, True], [True, True], [True, True]]
    np.testing.assert_array_equal(seen[1].primary[:, 1], seen[2].primary[:, 0])


def test_a_missing_simulator_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(SimulatorError, match=r"octoscope\[sim\]"):
        load_mujoco()
