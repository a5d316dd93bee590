"""pi0 and pi0.5 behind the door: a run holds LeRobot's own numbers, frames lie in the middle, relative actions start from the state."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import octoscope as osc
from octoscope.capture.watch_options import WatchOptions
from octoscope.episodes.episode import Episode
from octoscope.interventions.apply import apply_intervention
from octoscope.interventions.descriptions import MaskKeys
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.lerobot_folder.processing import RelativeActions
from octoscope.policies.noise import Noise
from octoscope.policies.open_policy import OpenOptions
from octoscope.policies.parts.flow_policy import FlowPolicy
from octoscope.policies.pi.open_pi import open_pi
from octoscope.runs.verify import verify_run

TOLERANCES = {"pi0": (1e-4, 2e-4), "pi05": (2e-5, 2e-5)}


@pytest.fixture(scope="module", params=["pi0", "pi05"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def official(kind):
    with np.load(Path(__file__).parent / f"{kind}_tiny" / "io.npz") as file:
        return {key: file[key] for key in file.files}


@pytest.fixture(scope="module")
def policy(kind, official):
    policy = open_pi(str(Path(__file__).parent / f"{kind}_tiny" / "policy"), OpenOptions())
    assert policy is not None

    class LeRobotsNoise(FlowPolicy):
        def draw(self, noise):
            return official["noise"] if noise == Noise(0, 0) else FlowPolicy.draw(self, noise)

    return LeRobotsNoise(policy.model, policy.family)


@pytest.fixture(scope="module")
def episode(official):
    images = {camera: official[f"image/observation.images.{camera}"][None] for camera in ("top", "wrist")}
    state = official["raw/observation.state"][None]
    return Episode(images, "pick up the red ball", None, "tiny/train/0", "tiny", extras={"state": state})


@pytest.fixture(scope="module")
def run(policy, episode):
    return osc.attend(policy, episode, options=WatchOptions(query_groups="all", dtype="float32", passes="all"))


def test_a_run_holds_lerobots_actions_and_attention_of_each_stack_and_pass(kind, run, official):
    of_actions, of_weights = TOLERANCES[kind]
    assert verify_run(run) == []
    assert run.manifest["policy_family"] == kind
    np.testing.assert_allclose(run.read("actions")[0], official["actions"], rtol=0, atol=of_actions)
    prefix, size = run.of_stack("prefix"), len(official["prefix_pad_masks"])
    np.testing.assert_array_equal(run.token_pad(step=0)[:size], ~official["prefix_pad_masks"])
    for layer in range(3):
        matrix = prefix.attention_matrix(step=0, layers=[layer])[0, :, :size, :size]
        np.testing.assert_allclose(matrix, official[f"attention/prefix/prefix/{layer}"], rtol=0, atol=of_weights)
        for number in range(3):
            wanted = official[f"attention/suffix/s{number}/{layer}"]
            weights = run.of_pass(number).attention("action", step=0, layers=[layer])[0]
            np.testing.assert_allclose(weights, wanted[:, -5:], rtol=0, atol=of_weights)


def test_frames_lie_in_the_middle(policy, episode, run):
    # 20 rows in the middle of 28: both rows of cells show some of the frame, and reach 4 pixels beyond it.
    assert run.transform("top").cell_box((2, 2), 0, 0) == (-4.0, 0.0, 10.0, 14.0)
    assert run.layout.find_spans("image_top")[0].source.scene is None
    # 28 x 14 fills the picture's height: half a cell on each side is padding.
    assert policy.model.transform("observation.images.top", (28, 14)).offset == (0.0, 7.0)


def test_hidden_keys_are_those_of_lerobot_and_the_state_can_be_hidden(kind, policy, episode, official):
    scene = StepScene.at(policy, episode, 0)
    hidden = apply_intervention(scene, MaskKeys(camera="top"))
    stateless = apply_intervention(scene, MaskKeys(group="state"))
    still, without, blind = policy.act([scene.inputs, hidden, stateless], Noise(0, 0))
    np.testing.assert_allclose(still, official["actions"], rtol=0, atol=TOLERANCES[kind][0])
    np.testing.assert_allclose(without, official["actions_hidden_keys"], rtol=0, atol=TOLERANCES[kind][0])
    assert not np.array_equal(still, blind)


def test_actions_that_are_relative_are_carried_out_with_the_state_of_their_step(policy, episode):
    folder = policy.model.folder
    processing = dataclasses.replace(folder.processing, relative_actions=RelativeActions(("gripper",), None))
    model = dataclasses.replace(policy.model, folder=dataclasses.replace(folder, processing=processing))
    relative = FlowPolicy(model, policy.family)
    # Nothing exempts a dimension here: without names, none is a gripper.
    plain_policy = FlowPolicy(policy.model, policy.family)
    plain, offsets = osc.attend(plain_policy, episode), osc.attend(relative, episode)
    state = episode.extras["state"].astype(np.float32)
    dim = plain.actions.shape[-1]
    np.testing.assert_array_equal(offsets.read("actions"), plain.read("actions"))
    np.testing.assert_allclose(offsets.actions, plain.actions + state[:, None, :dim], rtol=1e-6, atol=1e-6)
    # The state is the same with and without an intervention, so that a change is that of the offsets.
    changes = [
        osc.intervene(each, episode, 0, [MaskKeys(group="state")], controls=0, noises=0).effects[0].robot_change
        for each in (plain_policy, relative)
    ]
    np.testing.assert_allclose(changes[0], changes[1], rtol=0, atol=1e-5)
    loop = osc.Policy(relative, instruction="pick up the red ball", execution="chunk")
    frames = {f"image_{camera}": np.asarray(images[0]) for camera, images in episode.images.items()}
    result = loop.step({**frames, "state": state[0]})
    np.testing.assert_allclose(result.chunk, offsets.actions[0], rtol=1e-5, atol=1e-5)
