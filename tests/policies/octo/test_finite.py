"""NaN and infinity: refused by field, step and layer where they enter the policy; recorded actions, which it never reads, are kept."""

import dataclasses

import jax
import numpy as np
import pytest
from flax import serialization, traverse_util

import octoscope as osc
from octo_given import bound_to
from octoscope.errors import CheckpointError, EpisodeError, ObservationError
from octoscope.policies.finite_actions import check_finite_actions
from tiny_policies import images, numbers, tiny_episode, tiny_policy

ACTION = {"mean": [0.0] * 3, "std": [1.0] * 3}
PROPRIO = {"mean": [0.0] * 5, "std": [1.0, 1.0, 1.0, 1.0, 0.0]}
NAN, INFINITY = float("nan"), float("inf")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_policy(
        tmp_path_factory.mktemp("finite") / "policy",
        {"primary": images("image_primary"), "proprio": numbers("proprio")},
        lowdim={"proprio": 5},
        statistics={"tiny_dataset": {"action": ACTION, "proprio": PROPRIO}},
    )


def with_state(value, *, step, entry=2, steps=6):
    state = np.zeros((steps, 5), np.float64)
    state[step, entry] = value
    return tiny_episode(steps=steps, state=state)


@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
def test_proprioception_is_refused_at_its_step_before_any_is_made(model, tmp_path, value):
    episode = with_state(value, step=4)
    for steps in (None, [4], [5]):
        with pytest.raises(EpisodeError) as error:
            osc.attend(model, episode, tmp_path / "run.zarr", steps=steps)
        assert str(error.value) == (
            f"'state' of tiny_dataset/train/0 cannot be the policy's 'proprio': at step 4 1 of 5 numbers are not finite ({value} is "
            "recorded). Choose other steps, name another field with --observation proprio=FIELD, or leave it out with --observation "
            "proprio=none."
        )
    assert not list(tmp_path.iterdir())
    # The window of step 3 ends before it.
    run = osc.attend(model, episode, steps=[0, 3])
    assert np.isfinite(run.actions).all()


def test_a_broken_first_step_does_not_forbid_the_later_ones(model):
    run = osc.attend(model, with_state(NAN, step=0), steps=[3])
    assert np.isfinite(run.actions).all()


def test_left_out_it_does_no_harm(model):
    run = osc.attend(
        model, with_state(NAN, step=1), steps=[1], options=osc.WatchOptions(observation_keys={"proprio": "none"})
    )
    assert np.isfinite(run.actions).all()


@pytest.mark.parametrize(
    ("value", "entry", "cause"), [(1e39, 2, "inf is recorded"), (1e38, 4, "is too large to be normalised")]
)
def test_what_float32_cannot_hold_is_not_finite(model, value, entry, cause):
    with pytest.raises(EpisodeError, match=cause):
        bound_to(model, with_state(value, step=2, entry=entry)).at(2)


def test_the_loop_refuses_it_too_and_stays_where_it_was(model):
    policy = osc.Policy(model, instruction="push the ball")
    frame = np.zeros((32, 32, 3), np.uint8)
    policy.step({"image_primary": frame, "proprio": np.zeros(5)})
    with pytest.raises(ObservationError, match="'proprio' must be finite"):
        policy.step({"image_primary": frame, "proprio": np.array([0, 0, NAN, 0, 0])})
    with pytest.raises(EpisodeError, match="too large to be normalised"):
        policy.step({"image_primary": frame, "proprio": np.array([0, 0, 0, 0, 1e38])})
    assert policy.state.step == 1


def test_images_that_are_no_bytes_are_refused_by_camera_and_step(model):
    pictures = {"primary": np.zeros((4, 32, 32, 3), np.uint8)}
    episode = dataclasses.replace(tiny_episode(state=5), images=pictures)
    # As no reader gives them, but a user's own program may.
    pictures["primary"] = np.zeros((4, 32, 32, 3), np.float32)
    pictures["primary"][2, 1, 1] = NAN
    with pytest.raises(EpisodeError, match=r"images of 'primary' .* got float32 .*; at step 2 they are not finite"):
        bound_to(model, episode)


@pytest.mark.parametrize("value", [NAN, INFINITY])
def test_arrays_given_in_python_are_refused_by_name_and_place(model, value):
    batch = model.example_batch
    observation = {**batch["observation"], "proprio": batch["observation"]["proprio"].copy()}
    observation["proprio"][0, 1, 3] = value
    for use in (
        lambda: model.sample_actions(observation, batch["task"], rng=jax.random.PRNGKey(0)),
        lambda: model.run_transformer(observation, batch["task"]),
    ):
        with pytest.raises(
            ObservationError, match=r"observation 'proprio' must be finite, but 1 of its 10 .* at \(0, 1, 3\)"
        ):
            use()
    assert model.token_layout(observation, batch["task"]).size > 0


def test_parameters_are_refused_by_their_path(model, tmp_path):
    model.save_pretrained(tmp_path / "policy")
    path = tmp_path / "policy" / "0" / "default" / "checkpoint"
    flat = traverse_util.flatten_dict(serialization.msgpack_restore(path.read_bytes()), sep="/")
    name = next(name for name in flat if "encoderblock_1" in name and name.endswith("kernel"))
    flat[name] = np.array(flat[name])
    flat[name].flat[0] = INFINITY
    path.write_bytes(serialization.msgpack_serialize(traverse_util.unflatten_dict(flat, sep="/")))
    with pytest.raises(CheckpointError, match=rf"Parameters are not finite: {name} \(1 of {flat[name].size}\)"):
        osc.OctoModel.load_pretrained(tmp_path / "policy")


def test_a_policy_that_overflows_is_refused_by_step_and_layer(model):
    flat = traverse_util.flatten_dict(dict(model.params), sep="/")
    broken = {path: leaf * np.float32(NAN) if "encoderblock_1" in path else leaf for path, leaf in flat.items()}
    other = dataclasses.replace(model, params=traverse_util.unflatten_dict(broken, sep="/"))
    with pytest.raises(CheckpointError, match="attention from layer 1 on at step 2 is not finite"):
        osc.attend(other, tiny_episode(state=5), steps=[2])
    with pytest.raises(CheckpointError, match="The policy's action at step 7 is not finite"):
        check_finite_actions(np.array([1.0, NAN]), step=7)


def test_recorded_actions_may_be_unknown_and_are_kept(model):
    actions = np.zeros((4, 3), np.float32)
    actions[1:3, 0] = NAN
    episode = dataclasses.replace(tiny_episode(state=5), actions=actions)
    run = osc.attend(model, episode, steps=[0, 1])
    np.testing.assert_array_equal(run.recorded_actions, actions)
