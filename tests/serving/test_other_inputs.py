"""Control loops of policies with numbers and with stacked cameras, of the official program's fixtures."""

import dataclasses

import numpy as np
import pytest

import octoscope as osc
from octoscope.errors import ObservationError, SelectionError
from official_files import SHARED

FIXTURES = SHARED / "fixtures" / "octo"
STEPS = 4


def load(name: str, statistics: dict | None = None) -> "osc.OctoModel":
    if not (FIXTURES / name).is_dir():
        pytest.skip("the official fixtures are not here")
    model = osc.OctoModel.load_pretrained(FIXTURES / name / "ckpt")
    if statistics is None:
        return model
    return dataclasses.replace(model, checkpoint=dataclasses.replace(model.checkpoint, dataset_statistics=statistics))


def random_episode(cameras: dict, numbers: dict) -> "osc.Episode":
    rng = np.random.default_rng(0)
    return osc.Episode(
        images={name: rng.integers(0, 256, (STEPS, *size, 3), np.uint8) for name, size in cameras.items()},
        instruction="",
        actions=None,
        name="random",
        dataset="robot",
        extras={name: rng.normal(size=(STEPS, size)) for name, size in numbers.items()},
    )


def observation_at(episode, step):
    frames = {f"image_{camera}": frames[step] for camera, frames in episode.images.items()}
    return frames | {name: values[step] for name, values in episode.extras.items()}


@pytest.fixture(scope="module")
def feeling_model():
    action = {"mean": np.arange(3.0), "std": np.array([1.0, 2.0, 3.0])}
    proprio = {"mean": np.linspace(-0.1, 0.2, 7), "std": np.linspace(0.5, 1.0, 7)}
    return load("g_proprio_lowdim_discrete", {"robot": {"action": action, "proprio": proprio}})


def test_numbers_are_normalised_as_in_an_episode(feeling_model):
    episode = random_episode({"primary": (64, 64)}, {"proprio": 7, "force": 3})
    goal = {"primary": episode.images["primary"][-1]}
    run = osc.attend(feeling_model, episode, options=osc.WatchOptions(goal_images=goal, dtype="float32"))
    policy = osc.Policy(feeling_model, goal_images=goal)
    for step in range(STEPS):
        result = policy.step(observation_at(episode, step), watch=True)
        np.testing.assert_array_equal(result.chunk, run.actions[step])
        for group in run.query_groups:
            np.testing.assert_array_equal(result.attention.weights[group], run.attention(group, step=step))
    proprio = policy.state.inputs.observations[-1]["numbers"]["proprio"]
    statistics = feeling_model.dataset_statistics["robot"]["proprio"]
    expected = (episode.extras["proprio"][-1] - statistics["mean"]) / (statistics["std"] + 1e-8)
    np.testing.assert_allclose(proprio, expected, rtol=1e-5, atol=1e-6)


def test_numbers_that_are_not_the_policys_are_refused(feeling_model):
    episode = random_episode({"primary": (64, 64)}, {"proprio": 7, "force": 3})
    good = observation_at(episode, 0)
    policy = osc.Policy(feeling_model, goal_images={"primary": good["image_primary"]})
    refused = [
        ({"proprio": good["proprio"][:6]}, r"'proprio' must have shape \(7,\).*got \(6,\)"),
        ({"proprio": good["proprio"][None]}, r"got \(1, 7\)"),
        ({"proprio": np.full(7, np.nan)}, "'proprio' must be finite"),
        ({"proprio": np.array(["0"] * 7)}, "'proprio' must hold numbers"),
    ]
    for change, message in refused:
        with pytest.raises(ObservationError, match=message):
            policy.step(good | change)


def test_statistics_of_a_robot_with_more_joints_than_the_head_predicts_are_refused():
    model = load("g_proprio_lowdim_discrete")
    with pytest.raises(SelectionError, match="have 5 dimensions, but the policy's head 'action' predicts 3"):
        osc.Policy(model, goal_images={"primary": np.zeros((64, 64, 3), np.uint8)}, dataset="five_dof")


def test_a_stacked_camera_that_is_missing_is_black_as_in_an_episode():
    action = {"mean": np.zeros(7), "std": np.ones(7)}
    model = load("d_goal_early_fusion", {"robot": {"action": action}})
    episode = random_episode({"primary": (48, 64)}, {})
    goal = {camera.removeprefix("image_"): np.zeros((64, 64, 3), np.uint8) for camera in model.image_sizes}
    run = osc.attend(model, episode, options=osc.WatchOptions(goal_images=goal, dtype="float32"))
    policy = osc.Policy(model, goal_images=goal)
    for step in range(STEPS):
        result = policy.step(observation_at(episode, step), watch=True)
        np.testing.assert_array_equal(result.chunk, run.actions[step])
    assert result.attention.run.layout == run.layout
    assert osc.render_sheet(result.attention.run, step=STEPS - 1, layer=0).dtype == np.uint8
