"""A policy opened with all weights drawn anew is a policy like any other: the control of every finding."""

import numpy as np
import pytest

import octoscope as osc
from octoscope.errors import SelectionError
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.noise import Noise
from octoscope.policies.octo.redrawn_weights import randomization_stages
from octoscope.policies.open_policy import OpenOptions, open_policy
from octoscope.policies.parts.redrawn_weights import randomized_params


@pytest.fixture(scope="module")
def drawn_anew():
    return open_policy("drawn", OpenOptions(random_weights=3))


def test_a_run_of_it_is_of_these_weights_and_says_so(drawn_anew, demo_model, demo_episode):
    run = osc.attend(drawn_anew, demo_episode, steps=[1], options=osc.WatchOptions(dtype="float32"))
    inputs = StepScene.at(drawn_anew, demo_episode, 1).inputs
    acted = drawn_anew.act([inputs], Noise(0, 1))[0]
    np.testing.assert_array_equal(run.read("actions")[0], acted)
    # The official way, with parameters of an independent call.
    every = [pattern for _, pattern in randomization_stages(demo_model.params)]
    whole = demo_model.with_params(randomized_params(demo_model.params, every, seed=3))
    np.testing.assert_array_equal(whole.policy.act([inputs], Noise(0, 1))[0], acted)
    assert np.abs(demo_model.policy.act([inputs], Noise(0, 1))[0] - acted).max() > 0.01
    assert "random weights" in drawn_anew.card.name
    assert "all weights (seed 3" in drawn_anew.card.note
    assert drawn_anew.card.name in str(run.manifest)


def test_each_seed_is_another_policy(drawn_anew, demo_model):
    other = open_policy("drawn", OpenOptions(random_weights=4))
    again = open_policy("drawn", OpenOptions(random_weights=3))
    assert len({drawn_anew.digest(), other.digest(), demo_model.policy.digest()}) == 3
    assert again.digest() == drawn_anew.digest()


def test_encodings_are_of_these_weights(drawn_anew, demo_model, demo_episode):
    inputs = StepScene.at(drawn_anew, demo_episode, 1).inputs
    point = drawn_anew.encoding_points(inputs)[-1].name
    learnt, drawn = (policy.encode(inputs, [point])[point] for policy in (demo_model.policy, drawn_anew))
    assert np.abs(learnt - drawn).max() > 0.01


def test_what_cannot_be_drawn_anew_is_refused():
    with pytest.raises(SelectionError, match="--random-weights: the weights of toy"):
        open_policy("toy", OpenOptions(random_weights=0))
