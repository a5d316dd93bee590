"""Labels and storage that need no pictures."""

import numpy as np
import pytest

from factory.tabletop.camera import PRIMARY_FOCUS, patch_index, project
from factory.tabletop.evaluate import evaluate
from factory.tabletop.expert import expert_action
from factory.tabletop.pair_codec import decode_pair, encode_pair
from factory.tabletop.physics import step_physics
from factory.tabletop.scenes import sample_scenes
from factory.tabletop.shards import write_shards
from factory.tabletop.tasks import sample_tasks
from factory.tabletop.training_data import expert_chunk, load_training_data
from octoscope.errors import EpisodeError, OutputError


def test_a_chunk_is_the_experts_way_from_the_state():
    rng = np.random.default_rng(0)
    scenes = sample_scenes(rng, 6)
    task = sample_tasks(rng, scenes)
    chunk = expert_chunk(scenes, task)
    np.testing.assert_array_equal(chunk[:, 0], expert_action(scenes, task))
    np.testing.assert_array_equal(chunk[:, 1], expert_action(step_physics(scenes, chunk[:, 0]), task))


def test_pairs_survive_packing_exactly():
    pair = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode_pair(encode_pair(pair), size=8), pair)


def test_projection_of_hand_worked_points():
    focus = np.array(PRIMARY_FOCUS)
    np.testing.assert_allclose(project(focus), [0.5, 0.5])
    right, far = project(focus + np.array([0.1, 0.0, 0.0])), project(focus + np.array([0.0, 0.1, 0.0]))
    assert right[0] > 0.6
    assert right[1] == pytest.approx(0.5)
    assert far[1] < 0.45


def test_patches_count_row_by_row_and_stay_inside():
    places = np.array([[0.0, 0.0], [0.99, 0.0], [0.0, 0.13], [1.3, 1.3]])
    assert patch_index(places, grid=8).tolist() == [0, 7, 8, 63]


def test_an_empty_folder_names_the_command(tmp_path):
    with pytest.raises(EpisodeError, match=r"factory\.tabletop\.generate"):
        load_training_data(tmp_path)


def test_a_folder_of_another_seed_is_refused(tmp_path):
    (tmp_path / "dataset.json").write_text('{"format": 1, "seed": 7}')
    with pytest.raises(OutputError, match="'seed': 7"):
        next(write_shards(tmp_path, pairs=4, seed=1))


def test_an_unknown_family_is_refused():
    with pytest.raises(ValueError, match="pick_up, push"):
        evaluate(lambda given: np.zeros((1, 7)), episodes=1, family="juggle", seed=0)
