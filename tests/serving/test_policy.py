"""A control loop: the same numbers as `attend`, one compilation, and what is refused."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

import octoscope as osc
from octoscope.errors import ObservationError, SelectionError
from octoscope.policies.octo.network.central_crop import central_crop_transform
from octoscope.serving.policy import Policy
from octoscope.serving.receding_horizon import RecedingHorizon
from octoscope.serving.state import PolicyState


def frames_at(episode, step):
    return {f"image_{camera}": frames[step] for camera, frames in episode.images.items()}


@pytest.fixture(scope="module")
def whole_run(demo_model, demo_episode):
    return osc.attend(demo_model, demo_episode, options=osc.WatchOptions(dtype="float32"))


@pytest.fixture
def policy(demo_model, demo_episode):
    return Policy(demo_model, instruction=demo_episode.instruction, dataset="drawn_table")


def test_stepping_gives_the_actions_of_attend_bit_for_bit_and_watching_changes_none(
    demo_model, demo_episode, policy, whole_run
):
    watched = Policy(demo_model, instruction=demo_episode.instruction, dataset="drawn_table")
    for step in range(len(demo_episode)):
        plain = policy.step(frames_at(demo_episode, step))
        seen = watched.step(frames_at(demo_episode, step), watch=True)
        assert (plain.step, plain.predicted_at, plain.attention) == (step, step, None)
        np.testing.assert_array_equal(plain.chunk, whole_run.actions[step])
        np.testing.assert_array_equal(plain.action, whole_run.actions[step][0])
        np.testing.assert_array_equal(seen.chunk, plain.chunk)
        for group in whole_run.query_groups:
            np.testing.assert_array_equal(seen.attention.weights[group], whole_run.attention(group, step=step))


def test_a_watched_step_is_a_run_that_draws_the_same_sheet(demo_episode, policy, whole_run):
    for step in range(4):
        result = policy.step(frames_at(demo_episode, step), watch=step in (0, 3))
        if result.attention is None:
            continue
        run = result.attention.run
        assert run.steps == (step,)
        assert run.layout == whole_run.layout
        assert run.manifest.keys() - {"loop"} == whole_run.manifest.keys()
        np.testing.assert_array_equal(run.actions[0], whole_run.actions[step])
        query = osc.find_query(run.layout, "readout_action")
        maps, expected = (osc.attention_maps(r, query, step=step, layer=2) for r in (run, whole_run))
        assert len(maps) == len(expected) == 4
        for got, wanted in zip(maps, expected, strict=True):
            for field in dataclasses.fields(got):
                np.testing.assert_array_equal(getattr(got, field.name), getattr(wanted, field.name), field.name)
        sheet = osc.render_sheet(run, step=step, layer=2)
        assert sheet.dtype == np.uint8


def test_whole_chunks_ask_once_in_a_while(demo_model, demo_episode, whole_run):
    policy = Policy(demo_model, instruction=demo_episode.instruction, execution="chunk")
    results = [policy.step(frames_at(demo_episode, step), watch=True) for step in range(6)]
    assert [result.predicted_at for result in results] == [0, 0, 0, 0, 4, 4]
    assert [result.attention is None for result in results] == [False, True, True, True, False, True]
    np.testing.assert_array_equal(results[2].action, whole_run.actions[0][2])
    np.testing.assert_array_equal(results[5].action, whole_run.actions[4][1])


def test_the_ensemble_averages_what_the_chunks_of_attend_say_about_now(demo_model, demo_episode, whole_run):
    policy = Policy(demo_model, instruction=demo_episode.instruction, execution="ensemble")
    results = [policy.step(frames_at(demo_episode, step)) for step in range(3)]
    chunks = whole_run.actions
    np.testing.assert_allclose(results[2].action, (chunks[0][2] + chunks[1][1] + chunks[2][0]) / 3, atol=1e-7)


def test_nothing_is_compiled_after_the_warm_up(demo_model, demo_episode):
    policy = Policy(demo_model, instruction=demo_episode.instruction)
    policy.warm_up(frames_at(demo_episode, 0))
    assert policy.state.step == 0
    compiled = demo_model._act._cache_size()
    for words in (None, "pick up the red cube"):
        policy.reset(instruction=words)
        for step in range(3):
            policy.step(frames_at(demo_episode, step), watch=step == 1)
    assert demo_model._act._cache_size() == compiled


def test_reset_begins_anew_with_the_same_task_or_another(demo_episode, policy):
    first = policy.step(frames_at(demo_episode, 4))
    policy.step(frames_at(demo_episode, 5))
    policy.reset()
    np.testing.assert_array_equal(policy.step(frames_at(demo_episode, 4)).action, first.action)
    policy.reset(instruction="pick up the red cube")
    other = policy.step(frames_at(demo_episode, 4), watch=True)
    assert not np.array_equal(other.action, first.action)
    assert other.attention.run.manifest["instruction"] == "pick up the red cube"
    policy.reset(goal_images={"primary": demo_episode.images["primary"][-1]})
    assert policy.step(frames_at(demo_episode, 4), watch=True).attention.run.manifest["goal_images"] == ["primary"]


def test_a_cropped_camera_is_shown_in_the_middle_and_its_maps_lie_there(demo_model, demo_episode):
    policy = Policy(demo_model, instruction=demo_episode.instruction, cropped_cameras=["primary"])
    run = policy.step(frames_at(demo_episode, 0), watch=True).attention.run
    query = osc.find_query(run.layout, "readout_action")
    primary, *_ = osc.attention_maps(run, query, step=0, layer=0, camera="primary")
    wrist, *_ = osc.attention_maps(run, query, step=0, layer=0, camera="wrist")
    assert primary.box == pytest.approx(central_crop_transform((96, 128), (128, 128)).policy_box)
    assert primary.box[0] == pytest.approx(0.0256 * 96, abs=0.05)
    assert wrist.box == pytest.approx((0, 0, 64, 64))


def test_the_core_is_pure(demo_episode, policy):
    start = policy.state
    state, first = policy.stepper.step(start, frames_at(demo_episode, 0))
    _, again = policy.stepper.step(start, frames_at(demo_episode, 0))
    np.testing.assert_array_equal(first.action, again.action)
    assert (start.step, state.step, policy.state.step) == (0, 1, 0)
    assert isinstance(start, PolicyState)


def test_a_buffer_that_the_robot_writes_again_does_not_change_history(demo_episode, policy):
    # At the policy's own size nothing is resized, so nothing but a copy would protect the frame.
    frames = [np.full((128, 128, 3), level, np.uint8) for level in (40, 200)]
    wrist = demo_episode.images["wrist"][0]
    expected = [policy.step({"image_primary": frame, "image_wrist": wrist}).action for frame in frames]
    policy.reset()
    buffer = np.empty((128, 128, 3), np.uint8)
    for frame, action in zip(frames, expected, strict=True):
        buffer[:] = frame
        np.testing.assert_array_equal(policy.step({"image_primary": buffer, "image_wrist": wrist}).action, action)


def test_an_action_that_the_user_changes_does_not_change_what_comes_after(demo_model, demo_episode):
    for execution in ("chunk", "ensemble"):
        policy = Policy(demo_model, instruction=demo_episode.instruction, execution=execution)
        for step in range(3):
            result = policy.step(frames_at(demo_episode, step))
            assert np.abs(result.action).max() < 50
            result.action[:] = result.chunk[:] = 99.0


def test_bad_observations_are_refused_and_leave_the_episode_as_it_was(demo_episode, policy):
    good = frames_at(demo_episode, 0)
    policy.step(good)
    refused = [
        ({}, "must hold a camera's frame"),
        ({"image_primary": good["image_primary"]}, "at step 1 image_wrist is missing"),
        ({**good, "image_primry": good["image_primary"]}, "Did you mean 'image_primary'"),
        ({**good, "image_primary": good["image_primary"] / 255.0}, "got float64"),
        ({**good, "image_primary": good["image_primary"][..., 0]}, r"got uint8 \(96, 128\)"),
        ({**good, "image_primary": good["image_primary"][:50]}, r"got \(50, 128, 3\) at step 1"),
    ]
    for observation, message in refused:
        with pytest.raises(ObservationError, match=message):
            policy.step(observation)
    assert policy.step(good).step == 1


def test_a_policy_that_cannot_be_is_refused(demo_model):
    def make(**options):
        return Policy(demo_model, **{"instruction": "pick up the red ball", **options})

    with pytest.raises(SelectionError, match=r"no action statistics of 'drawn_tabel'.*Did you mean 'drawn_table'"):
        make(dataset="drawn_tabel")
    with pytest.raises(ObservationError, match="needs a task"):
        make(instruction=None, goal_images={})
    with pytest.raises(ObservationError, match="goal image of primary"):
        make(goal_images={"primary": np.zeros((0, 8, 3), np.uint8)})
    with pytest.raises(SelectionError, match="`seed` must be in"):
        make(seed=-1)
    with pytest.raises(SelectionError, match=r"`window` must be in 1\.\.10"):
        make(window=11)
    with pytest.raises(SelectionError, match="Did you mean 'primary'"):
        make(cropped_cameras=["primry"])
    with pytest.raises(SelectionError, match="`execution` must be"):
        make(execution="all")
    with pytest.raises(SelectionError, match="at most 4"):
        make(execution=RecedingHorizon(5)).warm_up({"image_primary": np.zeros((8, 8, 3), np.uint8)}, watch=False)
    statistics = {"a": {"action": {}}, "b": {"action": {}}}
    several = dataclasses.replace(
        demo_model, checkpoint=dataclasses.replace(demo_model.checkpoint, dataset_statistics=statistics)
    )
    with pytest.raises(SelectionError, match=r"must say whose statistics.*a, b"):
        Policy(several, instruction="pick up the red ball")


def test_a_group_that_does_not_exist_cannot_be_watched(demo_model, demo_episode):
    policy = Policy(demo_model, instruction=demo_episode.instruction, query_groups=["readout_acton"])
    with pytest.raises(SelectionError, match="Did you mean 'readout_action'"):
        policy.step(frames_at(demo_episode, 0), watch=True)


def test_the_example_of_the_docs_runs():
    text = (Path(__file__).parents[2] / "docs" / "python.md").read_text()
    example = re.search(r"## In a control loop\n\n```python\n(.*?)```", text, flags=re.DOTALL)
    assert example is not None
    names: dict = {}
    exec(example[1], names)
    assert names["result"].step == len(osc.open_episodes("demo")[0]) - 1
    assert names["sheet"].shape[2] == 3
