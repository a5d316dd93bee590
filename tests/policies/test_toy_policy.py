"""The toy reads one patch and one word, and its attention says so: what other tests take for the truth."""

import dataclasses

import numpy as np
import pytest

from octoscope.episodes.episode import Episode
from octoscope.errors import EpisodeError, ObservationError, SelectionError
from octoscope.policies.bind import bind
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.noise import Noise
from octoscope.policies.policy_model import PolicyModel, WantedAttention
from octoscope.policies.toy.toy_policy import CAMERA, GRID, STACK, ToyPolicy

POLICY = ToyPolicy(row=1, column=2, word="red", noise=0.0)
NOISE = Noise(seed=0, step=0)


def episode(instruction="push the red ball", frames=None) -> Episode:
    frames = np.random.default_rng(0).integers(0, 256, (3, 64, 96, 3), dtype=np.uint8) if frames is None else frames
    return Episode({CAMERA: frames}, instruction, None, "made/0", "made")


def covered(inputs, cells):
    image = inputs.images[CAMERA].copy()
    for row, column in cells:
        image[:, row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] = 0
    return inputs.with_images(CAMERA, image)


def test_it_is_a_policy():
    assert isinstance(POLICY, PolicyModel)


def test_of_all_patches_one_changes_the_action():
    inputs = bind(POLICY, episode()).at(0)
    cells = [(row, column) for row in range(GRID[0]) for column in range(GRID[1])]
    actions = POLICY.act([inputs, *(covered(inputs, [cell]) for cell in cells)], NOISE)
    changed = [cell for cell, action in zip(cells, actions[1:], strict=True) if not np.array_equal(action, actions[0])]
    assert changed == [(1, 2)]
    assert (actions[:, 0, 1] == actions[0, 0, 1]).all()


def test_of_all_words_one_changes_the_action():
    bound = bind(POLICY, episode())
    inputs = bound.at(0)
    words = ["push", "the", "red", "ball"]
    said = [dataclasses.replace(inputs, instruction=" ".join(w for w in words if w != word)) for word in words]
    actions = POLICY.act([inputs, *said], NOISE)
    assert [bool((action != actions[0]).any()) for action in actions[1:]] == [False, False, True, False]


def test_its_attention_is_on_them_and_hidden_keys_are_exactly_0():
    bound = bind(POLICY, episode())
    layout = bound.layout
    readout, everything = layout.size - 1, tuple(range(layout.size))
    wanted = [WantedAttention(STACK, (readout,), everything, (0,))]
    watched = POLICY.watch(bound.at(0), NOISE, wanted)
    weights = watched.weights[STACK]
    assert weights.shape == (1, 1, 2, 1, layout.size)
    assert np.flatnonzero(weights[0, 0, 0, 0]).tolist() == [2, layout.select("patches")[1 * GRID[1] + 2]]
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0)
    hidden = np.zeros((layout.size, layout.size), bool)
    hidden[:, layout.select("patches")] = True
    blind = POLICY.watch(dataclasses.replace(bound.at(0), hidden=hidden), NOISE, wanted)
    assert (blind.weights[STACK][..., layout.select("patches")] == 0).all()
    assert blind.actions[0, 1] == 1.0
    np.testing.assert_array_equal(watched.actions, POLICY.act([bound.at(0)], NOISE)[0])


def test_draws_of_noise_never_meet():
    policy = dataclasses.replace(POLICY, noise=1.0)
    inputs = bind(policy, episode()).at(0)
    names = [Noise(seed, step, draw) for seed in range(3) for step in range(3) for draw in range(3)]
    actions = policy.act([inputs] * len(names), names)
    assert len({action.tobytes() for action in actions}) == len(names)
    np.testing.assert_array_equal(actions[4], policy.act([inputs], names[4])[0])


@pytest.mark.parametrize(
    ("made", "options", "error", "message"),
    [
        (episode(""), BindOptions(), EpisodeError, "no instruction"),
        (episode(), BindOptions(instruction=" "), EpisodeError, "empty"),
        (episode(), BindOptions(window=2), SelectionError, r"1\.\.1"),
        (episode(), BindOptions(goal_images={CAMERA: np.zeros((4, 4, 3), np.uint8)}), SelectionError, "no goal image"),
        (episode(), BindOptions(observation_keys={"proprio": "state"}), SelectionError, "reads no observation"),
        (
            Episode({"wrist": np.zeros((1, 8, 8, 3), np.uint8)}, "go", None, "made/1", "made"),
            BindOptions(),
            EpisodeError,
            "wrist",
        ),
    ],
)
def test_what_does_not_fit_is_refused(made, options, error, message):
    with pytest.raises(error, match=message):
        bind(POLICY, made, options)


def test_a_policy_without_words_refuses_them():
    mute = dataclasses.replace(POLICY, needs=dataclasses.replace(POLICY.needs, words=False))
    assert bind(mute, episode()).at(0).instruction is None
    with pytest.raises(ObservationError, match="takes no words"):
        bind(mute, episode(), BindOptions(instruction="push"))


def test_what_is_cut_is_said():
    bound = bind(POLICY, episode("push the red ball to the left side"))
    assert len(bound.layout.instruction_pieces) == 6
    assert bound.remarks == (
        'The policy reads only 6 word pieces of the instruction: "push the red ball to the". Cut off, and not read: "left side".',
    )
