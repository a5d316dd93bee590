"""Numbers from an episode: found by name, normalised as in training, refused when they do not fit."""

import numpy as np
import pytest

from octo_given import bound_to, octo_given
from octoscope.errors import EpisodeError, SelectionError
from octoscope.policies.octo.checkpoint.normalization_type import normalization_type
from tiny_policies import DATASET, images, numbers, tiny_episode, tiny_policy

PRIMARY = images("image_primary")
ACTION = {"mean": [0.0] * 3, "std": [1.0] * 3}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    proprio = {"mean": [1.0, 2.0, 3.0], "std": [0.5, 2.0, 4.0], "mask": [True, True, False]}
    return tiny_policy(
        tmp_path_factory.mktemp("policy") / "ckpt",
        {"primary": PRIMARY, "proprio": numbers("proprio"), "touch": numbers("force", "touch")},
        lowdim={"proprio": 3, "force": 2, "touch": 1},
        statistics={DATASET: {"action": ACTION, "proprio": proprio}},
    )


def test_numbers_are_windowed_and_normalised_like_the_official_pipeline(model):
    episode = tiny_episode(proprio=3, force=2, touch=np.arange(4.0))
    observation = octo_given(model, episode, 1).observation
    raw = episode.extras["proprio"]
    expected = np.concatenate([(raw[:, :2] - [1, 2]) / (np.array([0.5, 2.0]) + 1e-8), raw[:, 2:]], axis=1)
    np.testing.assert_allclose(observation["proprio"][0], expected[:2], rtol=1e-5)
    np.testing.assert_array_equal(observation["force"][0], episode.extras["force"][:2])
    assert observation["touch"].tolist() == [[[0.0], [1.0]]]
    # Before the first frame it stands in for the history.
    first = octo_given(model, episode, 0).observation["proprio"][0]
    np.testing.assert_array_equal(first[0], first[1])
    assert observation["pad_mask_dict"].keys() == {"image_primary", "proprio", "force", "touch"}
    assert all(present.all() for present in observation["pad_mask_dict"].values())
    given = bound_to(model, episode).plan.observations["given"]
    assert given["proprio"]["normalization"].startswith(
        "(value - mean) / (std + 1e-8) with the checkpoint's proprio stat"
    )
    assert given["force"]["normalization"].startswith("as recorded")


@pytest.mark.parametrize(
    ("extras", "chosen", "recorded", "rule"),
    [
        ({"proprio": 3, "state": 3}, None, "proprio", "same name"),
        ({"observation/proprio": 3}, None, "observation/proprio", "same name"),
        ({"state": 3}, None, "state", "another name of it"),
        ({"proprio": 3, "joints": 3}, {"proprio": "joints"}, "joints", "chosen by the user"),
    ],
)
def test_the_rule_that_finds_a_field(model, extras, chosen, recorded, rule):
    plan = bound_to(model, tiny_episode(**extras, force=2, touch=1), observation_keys=chosen).plan
    found = plan.numbers["proprio"]
    assert (found.recorded, found.found_by) == (recorded, rule)


def test_what_is_not_recorded_leaves_the_sequence_when_it_can(model):
    asked = {"observation_keys": {"proprio": "none"}}
    observation = octo_given(model, tiny_episode(state=3), 0, **asked).observation
    assert observation.keys() == {"image_primary", "timestep_pad_mask", "pad_mask_dict"}
    assert bound_to(model, tiny_episode(state=3), **asked).plan.observations["left_out"] == ["proprio", "touch"]


@pytest.mark.parametrize(
    ("extras", "chosen", "error", "message"),
    [
        ({"state": 7}, None, EpisodeError, r"takes 3 numbers a step, but 'state' of tiny_dataset/train/0 has .*\(7,\)"),
        ({"force": 2}, None, EpisodeError, "'touch' reads force, touch together and cannot do without touch"),
        ({"state": 3}, {"proprio": "stat"}, EpisodeError, "records no 'stat' to be 'proprio'. Did you mean 'state'"),
        ({"state": 3}, {"propio": "state"}, SelectionError, "reads no observation 'propio'. Did you mean 'proprio'"),
        ({"state": 3}, {"image_primary": "x"}, SelectionError, "--cameras primary=x"),
        ({"state": np.array([[0.0], [0.0]] * 2, object)}, None, EpisodeError, "values of changing shape"),
    ],
)
def test_a_sentence_for_numbers_that_do_not_fit(model, extras, chosen, error, message):
    with pytest.raises(error, match=message):
        bound_to(model, tiny_episode(**extras), observation_keys=chosen)


def test_bounds_statistics_without_a_dataset_and_the_trained_name(tmp_path):
    proprio = {"p01": [0.0, -1.0], "p99": [2.0, 1.0], "mean": [0.0, 0.0], "std": [1.0, 1.0]}
    config = {
        "dataset_kwargs": {
            "proprio_obs_key": "joints",
            "action_proprio_normalization_type": "NormalizationType.BOUNDS",
        }
    }
    model = tiny_policy(
        tmp_path / "ckpt",
        {"primary": PRIMARY, "proprio": numbers("proprio")},
        lowdim={"proprio": 2},
        statistics={"action": ACTION, "proprio": proprio},
        config=config,
    )
    values = np.array([[1.0, 0.5], [9.0, -9.0], [0.0, 0.0], [0.0, 0.0]], np.float32)
    bound = bound_to(model, tiny_episode(joints=values, state=2))
    np.testing.assert_allclose(bound.at(1).numbers["proprio"], [[0.0, 0.5], [1.0, -1.0]], atol=1e-6)
    assert bound.plan.numbers["proprio"].found_by == "the config's proprio_obs_key"
    assert normalization_type({}).value == "normal"


def test_without_proper_pad_mask_nothing_is_left_out(tmp_path):
    two = {"primary": (32, 32), "wrist": (32, 32)}
    strict = {"primary": PRIMARY, "wrist": images("image_wrist", proper_pad_mask=False)}
    observation = octo_given(tiny_policy(tmp_path / "wrist", strict, cameras=two), tiny_episode(), 3).observation
    assert not observation["image_wrist"].any()
    assert not observation["pad_mask_dict"]["image_wrist"].any()
    numbered = {"primary": PRIMARY, "proprio": numbers("proprio", proper_pad_mask=False)}
    model = tiny_policy(tmp_path / "proprio", numbered, lowdim={"proprio": 3})
    with pytest.raises(EpisodeError, match="cannot do without proprio"):
        bound_to(model, tiny_episode())
