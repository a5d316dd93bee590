"""A whole episode: windows, rows, seeds, and what is refused."""

import dataclasses

import numpy as np
import pytest

import octoscope as osc
from octo_given import bound_to
from octoscope.errors import EpisodeError, OutputError, SelectionError


def test_stored_rows_sum_to_one_and_masked_keys_are_zero(demo_run):
    for step in demo_run.steps:
        for group in demo_run.query_groups:
            weights = demo_run.attention(group, step=step)
            np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-5)
            assert (weights[..., demo_run.token_pad(step=step)] == 0).all()


def test_the_first_step_is_padded_history_not_skipped(demo_run):
    assert demo_run.steps[0] == 0
    assert demo_run.frame_index(step=0).tolist() == [0, 0]
    assert demo_run.timestep_pad_mask(step=0).tolist() == [False, True]
    assert demo_run.frame_index(step=5).tolist() == [4, 5]
    padded = demo_run.layout.select("obs_primary", timestep=0)
    assert demo_run.token_pad(step=0)[padded].all()
    assert not demo_run.token_pad(step=5).any()


def test_attention_of_a_step_does_not_depend_on_which_steps_were_asked(demo_model, demo_episode, demo_run):
    alone = osc.attend(demo_model, demo_episode, steps=[5], options=osc.WatchOptions(dtype="float32"))
    np.testing.assert_array_equal(
        alone.attention("readout_action", step=5), demo_run.attention("readout_action", step=5)
    )
    np.testing.assert_array_equal(alone.actions[0], demo_run.actions[2])


def test_seed_changes_actions_and_no_attention(demo_model, demo_episode, demo_run):
    other = osc.attend(demo_model, demo_episode, steps=[5], options=osc.WatchOptions(dtype="float32", seed=1))
    np.testing.assert_array_equal(
        other.attention("readout_action", step=5), demo_run.attention("readout_action", step=5)
    )
    assert not np.array_equal(other.actions[0], demo_run.actions[2])


def test_other_words_change_attention_and_are_in_the_manifest(demo_model, demo_episode, demo_run):
    other = osc.attend(
        demo_model,
        demo_episode,
        steps=[5],
        options=osc.WatchOptions(instruction="pick up the red cube", dtype="float32"),
    )
    assert other.manifest["instruction"] == "pick up the red cube"
    assert "red" in [piece.letters for piece in other.layout.instruction_pieces]
    difference = other.attention("readout_action", step=5) - demo_run.attention("readout_action", step=5)
    assert np.abs(difference).max() > 1e-4


def test_a_goal_image_replaces_the_words(demo_model, demo_episode):
    goal = {"primary": demo_episode.images["primary"][-1]}
    run = osc.attend(demo_model, demo_episode, steps=[2], options=osc.WatchOptions(goal_images=goal))
    assert run.manifest["goal_images"] == ["primary"]
    assert run.manifest["instruction"] == ""
    assert run.token_pad(step=2)[run.layout.select("task_language")].all()


def test_frames_are_resized_once_and_windows_overlap(demo_model, demo_episode):
    bound = bound_to(demo_model, demo_episode)
    first, second = bound.at(3).images["primary"], bound.at(4).images["primary"]
    np.testing.assert_array_equal(first[1], second[0])
    assert first.shape == (2, 128, 128, 3)


def test_an_episode_without_the_policys_cameras_is_refused(demo_model, demo_episode):
    blind = dataclasses.replace(demo_episode, images={"ceiling": demo_episode.images["primary"]})
    with pytest.raises(EpisodeError, match="looks through primary, wrist, but the episode has ceiling"):
        osc.attend(demo_model, blind)


def test_an_episode_without_words_needs_a_task(demo_model, demo_episode):
    silent = dataclasses.replace(demo_episode, instruction="")
    with pytest.raises(EpisodeError, match=r"has no instruction\. Give one with --task"):
        bound_to(demo_model, silent)


def test_a_step_and_a_goal_camera_that_do_not_exist(demo_model, demo_episode):
    with pytest.raises(SelectionError, match=r"`step` must be in 0\.\.11"):
        bound_to(demo_model, demo_episode).at(12)
    with pytest.raises(SelectionError, match="Did you mean 'wrist'"):
        bound_to(demo_model, demo_episode, goal_images={"wrst": demo_episode.images["wrist"][0]})
    with pytest.raises(SelectionError, match="at least one step"):
        osc.attend(demo_model, demo_episode, steps=[])


def test_a_bad_step_leaves_no_store_and_an_existing_one_is_kept(demo_model, demo_episode, tmp_path):
    with pytest.raises(SelectionError, match=r"0\.\.11 for drawn_table/train/0, got 99"):
        osc.attend(demo_model, demo_episode, tmp_path / "run.zarr", steps=[0, 99])
    assert not (tmp_path / "run.zarr").exists()
    (tmp_path / "mine").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        osc.attend(demo_model, demo_episode, tmp_path / "mine", steps=[0])
