"""What a step of each method is said to cost is what it does; and what a policy does not allow is left out with a sentence."""

import dataclasses

import numpy as np
import pytest

from octoscope.errors import SelectionError
from octoscope.faithfulness.drop_tokens import drop_tokens
from octoscope.faithfulness.map_makers import map_maker
from octoscope.faithfulness.methods import DIRECT, METHODS, StepCost, step_cost
from octoscope.faithfulness.score import score_faithfulness
from octoscope.faithfulness.settings import FaithfulnessSettings
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.noise import Noise
from octoscope.policies.octo.acting import noise_key
from octoscope.policies.octo.gradient_programs import GradientPrograms
from octoscope.policies.octo.octo_policy import OctoPolicy
from octoscope.policies.octo.readout.readout_row import ReadoutRow
from tiny_policies import head, images, tiny_episode, tiny_policy

NOISE = Noise(0, 1)
KEY = noise_key(NOISE)


def policy(folder, **kwargs):
    return tiny_policy(folder, {"primary": images("image_primary")}, language=False, **kwargs)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return policy(tmp_path_factory.mktemp("costs") / "policy")


@pytest.fixture(scope="module")
def episode():
    return tiny_episode(instruction="")


@pytest.fixture
def counted(monkeypatch):
    """Counts passes as they are run."""
    counts = dict.fromkeys(("forwards", "backwards", "readout_passes", "readout_backwards"), 0)

    def count(owner, name, what):
        original = getattr(owner, name)

        def counting(*args, **kwargs):
            for kind, number in what(*args, **kwargs).items():
                counts[kind] += number
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, counting)

    count(OctoPolicy, "act", lambda self, inputs, *_, **__: {"forwards": len(inputs)})
    count(GradientPrograms, "watch", lambda *_: {"forwards": 1})
    count(GradientPrograms, "at", lambda *_: {"forwards": 1, "backwards": 1})
    count(GradientPrograms, "slopes_along", lambda *args: {"forwards": len(args[-1]), "backwards": len(args[-1])})
    count(ReadoutRow, "keep", lambda *_, **__: {"forwards": 1})
    count(ReadoutRow, "knock_out", lambda self, sets: {"readout_passes": len(sets)})
    count(ReadoutRow, "weighted_gradients", lambda *_: {"readout_passes": 1, "readout_backwards": 1})
    return counts


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("fixed template",)])
def test_a_step_costs_what_the_table_says(model, episode, counted, method):
    scene = StepScene.at(model, episode, 1)
    maker = map_maker(scene, FaithfulnessSettings(methods=(method,), path_points=3, batch=8))
    counted.update(dict.fromkeys(counted, 0))
    made = maker.at(scene, NOISE, np.random.default_rng(0))
    said = step_cost(method, cells=len(maker.cells), points=made.points)
    assert StepCost(**counted) == dataclasses.replace(said, learnt="")


def test_gradient_times_weight_sums_to_what_a_small_fade_of_all_cells_would_change(model, episode):
    """The map is |sum of gradient times weight|; by hand, from the public function."""
    import octoscope as osc

    scene = StepScene.at(model, episode, 1)
    given = model.policy.tensors(scene.inputs)
    maker = map_maker(scene, FaithfulnessSettings(methods=DIRECT))
    target = dataclasses.replace(maker.target, horizon_step=0, dimension=2)
    maps = dataclasses.replace(maker, target=target).at(scene, NOISE, np.random.default_rng(0)).maps
    found = osc.readout_gradients(model, given.observation, given.tasks, horizon_step=0, dimension=2, rng=KEY)
    per_key = (found.gradients * found.weights).sum(axis=(0, 1, 2))
    by_hand = np.abs(per_key[maker.cells.keys()].sum(axis=1))
    np.testing.assert_allclose(maps["readout gradients"], by_hand, rtol=1e-4, atol=1e-7)
    sets = np.zeros((len(maker.cells), maker.cells.layout.size), bool)
    for cell, keys in enumerate(maker.cells.keys()):
        sets[cell, keys] = True
    knocked = osc.knock_out_keys(model, given.observation, given.tasks, sets, rng=KEY)
    change = np.sqrt(((knocked.actions - knocked.unchanged) ** 2).mean(axis=(1, 2)))
    np.testing.assert_allclose(maps["readout knock-outs"], change, atol=1e-6)


def test_a_policy_whose_readout_others_read_has_no_direct_methods(tmp_path, episode):
    old = policy(tmp_path / "old", correct=False)
    settings = FaithfulnessSettings(methods=("mean of heads", *DIRECT, "best head"), steps=1, points=1, batch=8)
    table = score_faithfulness(old, [episode], settings)
    assert [line.method for line in table.methods] == ["mean of heads"]
    text = table.to_markdown()
    assert "Left out: readout gradients, readout knock-outs. Other tokens look at 'readout_action'" in text
    assert "Left out: best head." in text
    asked = {"fractions": [0.5], "steps": 1, "noises": 0, "timings": 0}
    dropped = drop_tokens(old, [episode], scores=["detail", "readout knock-outs"], **asked)
    assert dropped.scores == ("detail",)
    assert "Left out: readout knock-outs." in dropped.to_markdown()
    with pytest.raises(SelectionError, match="Other tokens look at"):
        drop_tokens(old, [episode], scores=DIRECT, **asked)
    with pytest.raises(SelectionError, match="Other tokens look at"):
        score_faithfulness(old, [episode], FaithfulnessSettings(methods=DIRECT))


def test_a_head_that_chooses_bins_has_no_gradient_methods(tmp_path, episode):
    bins = policy(
        tmp_path / "bins",
        readouts={"action": 6},
        heads={"action": head("DiscreteActionHead", token_per="action_dim_and_action_horizon", vocab_size=8)},
    )
    scene = StepScene.at(bins, episode, 1)
    asked = ("mean of heads", "relevance", "gradient", *DIRECT)
    maker = map_maker(scene, FaithfulnessSettings(methods=asked, batch=8))
    assert maker.methods == ("mean of heads", "readout knock-outs")
    assert maker.left_out == (
        "Left out: relevance, gradient, readout gradients. The head chooses bins, which have no gradient.",
    )
    maps = maker.at(scene, NOISE, np.random.default_rng(0)).maps
    assert set(maps) == {"mean of heads", "readout knock-outs"}
