"""Channels removed one at a time, against the same done in the parameters; contrast with norms held."""

import dataclasses

import jax
import numpy as np
import pytest

import octoscope as osc
from octoscope.cnn.networks.policy_network import policy_network
from octoscope.cnn.stems.channel_removal import remove_channels
from octoscope.cnn.stems.channel_statistics import channel_statistics
from octoscope.cnn.stems.contrast_response import contrast_response, reduced_contrast
from octoscope.errors import SelectionError
from octoscope.interventions.effects import action_change
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.noise import Noise
from octoscope.policies.octo.acting import noise_key
from octoscope.policies.octo.batched_policy import BatchedPolicy
from octoscope.policies.octo.network.image_resize import resize_image

STEP = 2


@pytest.fixture(scope="module")
def drawn():
    return osc.OctoModel.load_pretrained("drawn"), osc.open_episodes("drawn")[0]


@pytest.fixture(scope="module")
def statistics(drawn):
    model, episode = drawn
    network = policy_network(model, "primary")
    frames = [resize_image(frame, network.input_size) for frame in episode.images["primary"]]
    found = channel_statistics(network, frames, ["relu_1"])["relu_1"]
    # A constant fill, so that the norm's own parameters can give it.
    flat = np.broadcast_to(found.mean, found.mean_map.shape).copy()
    return dataclasses.replace(found, mean_map=flat)


@pytest.fixture(scope="module")
def effects(drawn, statistics):
    model, episode = drawn
    return remove_channels(model, [(episode, STEP)], statistics, camera="primary", noises=2, batch=16)


def test_a_removed_channel_is_one_that_its_norm_never_gave(drawn, statistics, effects):
    model, episode = drawn
    scene = StepScene.at(model, episode, STEP)
    policy, key = BatchedPolicy(model, action_dim=len(effects.units.names)), noise_key(Noise(0, STEP))
    given = [model.policy.tensors(scene.inputs)]
    still = policy.act(given, key)[0]
    channel = effects.strongest("zero")[0]
    for place, bias in enumerate((statistics.mean[channel], 0.0)):
        params = jax.tree.map(np.array, model.params)
        norm = params["octo_transformer"]["observation_tokenizers_primary"]["SmallStem16_0"]["GroupNorm_1"]
        norm["scale"][channel], norm["bias"][channel] = 0.0, bias
        changed = policy.with_params(params).act(given, key)[0]
        expected = action_change(still[:, effects.moves], changed[:, effects.moves])
        assert expected > 0
        assert effects.size[0, place, channel] == pytest.approx(float(expected), rel=2e-2, abs=1e-5)


def test_effects_stand_beside_noise_and_beside_another_channel(effects):
    assert effects.size.shape == (1, 2, 32)
    assert effects.change.shape[-1] == len(effects.units.names)
    sizes = effects.mean_size("mean")
    np.testing.assert_allclose(effects.other_channel("mean")[3], np.delete(sizes, 3).mean())
    assert effects.noise_floor > 0
    assert sizes[effects.strongest("mean", 1)[0]] == sizes.max()
    with pytest.raises(SelectionError, match="Did you mean 'mean'"):
        effects.mean_size("meen")


def test_what_cannot_be_removed_is_refused(drawn, statistics):
    model, episode = drawn
    with pytest.raises(SelectionError, match="no image tokenizer 'head'"):
        remove_channels(model, [(episode, STEP)], statistics, camera="head")
    with pytest.raises(SelectionError, match="at least one step"):
        remove_channels(model, [], statistics, camera="primary")
    with pytest.raises(SelectionError, match="frames of another size"):
        remove_channels(
            model, [(episode, STEP)], dataclasses.replace(statistics, mean_map=np.zeros((3, 3, 32))), camera="primary"
        )
    elsewhere = dataclasses.replace(statistics, layer=dataclasses.replace(statistics.layer, name="relu_9"))
    with pytest.raises(SelectionError, match="no layer 'relu_9'"):
        remove_channels(model, [(episode, STEP)], elsewhere, camera="primary")


def test_a_held_norm_changes_nothing_until_the_pictures_do(drawn):
    model, episode = drawn
    found = contrast_response(model, [(episode, STEP)], factors=[1.0, 0.5], noises=2)
    np.testing.assert_allclose(found.as_is[0, 0], 0.0, atol=1e-6)
    np.testing.assert_allclose([found.norm_held[0, 0], found.all_held[0, 0]], 0.0, atol=1e-4)
    # Random weights are no measure of how much: that the norm is held shows in that it is another action.
    assert abs(found.norm_held[0, 1] - found.as_is[0, 1]) > 1e-3
    assert found.pixel_noise[0, 1] > 0
    np.testing.assert_array_equal(found.pictures[0], found.pictures[1])
    assert reduced_contrast(np.array([[[0, 255, 128]]], np.uint8), 0.0).ravel().tolist() == [128, 128, 128]
