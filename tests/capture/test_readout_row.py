"""Passes over the readout alone against the whole policy: gradients by full autograd, knock-outs by a mask in the full forward."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import octoscope as osc
from octoscope.errors import ObservationError, SelectionError
from octoscope.policies.octo.network import attention
from octoscope.policies.octo.network.module import OctoModule
from octoscope.policies.octo.readout import readout_row
from octoscope.policies.octo.readout.readout_row import ReadoutRow
from octoscope.policies.octo.readout.readout_rows import run_readout
from tiny_policies import head, images, tiny_policy

RNG = jax.random.PRNGKey(3)
# Of the largest gradient, or of the actions' range of +-5. A random score network makes ten times as much of a difference in the readout.
TOLERANCE = {"several": 2e-6, "diffusion": 2e-5}


@pytest.fixture(scope="module")
def policies(tmp_path_factory):
    """By name; "several" has a readout of three tokens, "diffusion" a chunk that is denoised."""
    folder = tmp_path_factory.mktemp("policies")
    diffusion = head("DiffusionActionHead", hidden_dim=8, time_dim=8, num_blocks=1, diffusion_steps=3)
    return {
        "several": tiny_policy(folder / "several", {"primary": images("image_primary")}, readouts={"action": 3}),
        "diffusion": tiny_policy(
            folder / "diffusion", {"primary": images("image_primary")}, heads={"action": diffusion}
        ),
        "old": tiny_policy(folder / "old", {"primary": images("image_primary")}, correct=False),
    }


def inputs(model, seed=0):
    rng = np.random.default_rng(seed)
    observation = dict(model.example_batch["observation"])
    observation["image_primary"] = rng.integers(0, 256, observation["image_primary"].shape, np.uint8)
    observation["timestep_pad_mask"] = np.array([[seed % 2 == 0, True]])
    return observation, model.create_tasks(texts=["push the ball"])


def full_act(model, observation, tasks, rows, monkeypatch, *, added=None, hidden=None):
    """The whole policy, its attention replaced by one that adds to the weights of some rows, or hides keys from them."""
    layers = iter(range(model.num_layers))

    def changed(query, key, value, mask=None, module=None, *, query_rows=None):
        if mask is None or mask.shape[-1] != key.shape[1] or key.shape[1] == rows[-1] - rows[0] + 1:
            return attention_of_the_policy(query, key, value, mask, module, query_rows=query_rows)
        layer = next(layers)
        if hidden is not None:
            mask = mask & ~jnp.zeros(mask.shape, bool).at[:, :, np.array(rows)].set(hidden[layer])
        weights = nn.dot_product_attention_weights(query, key, mask=mask)
        if added is not None:
            weights = weights.at[:, :, np.array(rows)].add(added[layer])
        return jnp.einsum("bhqk,bkhd->bqhd", weights, value)

    attention_of_the_policy = attention.watched_attention
    monkeypatch.setattr(attention, "watched_attention", changed)
    observation, tasks = jax.tree.map(jnp.asarray, (observation, tasks))
    pad = observation["timestep_pad_mask"]
    actions = model.module.apply({"params": model.params}, observation, tasks, pad, RNG, method=OctoModule.act)
    monkeypatch.undo()
    return actions[0]


@pytest.mark.parametrize("name", ["several", "diffusion"])
@pytest.mark.parametrize("seed", [0, 1], ids=["whole", "padded"])
def test_gradients_are_those_of_full_autograd(policies, name, seed, monkeypatch):
    model = policies[name]
    observation, tasks = inputs(model, seed)
    row = ReadoutRow.keep(model, observation, tasks, rng=RNG)
    rows = row.layout.select("readout_action", timestep=-1)

    def score(added):
        return full_act(model, observation, tasks, rows, monkeypatch, added=added)[1, 2]

    expected = np.asarray(jax.jit(jax.grad(score))(jnp.zeros(row.weights.shape)))
    found = row.gradients(horizon_step=1, dimension=2)
    assert np.abs(expected).max() > 1e-4
    np.testing.assert_allclose(found, expected, atol=TOLERANCE[name] * max(1.0, float(np.abs(expected).max())))


@pytest.mark.parametrize("name", ["several", "diffusion"])
@pytest.mark.parametrize("layers", [None, [1]])
def test_knock_outs_are_those_of_a_mask_on_the_readouts_rows(policies, name, layers, monkeypatch):
    model = policies[name]
    observation, tasks = inputs(model)
    row = ReadoutRow.keep(model, observation, tasks, rng=RNG)
    rows = row.layout.select("readout_action", timestep=-1)
    sets = np.zeros((3, row.layout.size), bool)
    sets[0, row.layout.select("obs_primary", timestep=-1)[1]] = True
    sets[1, row.layout.select("obs_primary")] = True
    sets[2, rows[0]] = True
    found = row.knock_out(sets, layers=layers)
    act = jax.jit(lambda hidden: full_act(model, observation, tasks, rows, monkeypatch, hidden=hidden))
    for index, keys in enumerate(sets):
        hidden = np.zeros((model.num_layers, row.layout.size), bool)
        hidden[slice(None) if layers is None else layers] = keys
        np.testing.assert_allclose(found[index], act(hidden), atol=5 * TOLERANCE[name])
        assert np.abs(found[index] - row.actions).max() > 1e-4


def test_many_sets_are_those_sets_alone(policies, monkeypatch):
    model = policies["diffusion"]
    row = ReadoutRow.keep(model, *inputs(model), rng=RNG)
    sets = np.eye(row.layout.size, dtype=bool)[row.layout.select("obs_primary")]
    alone = np.concatenate([row.knock_out(sets[index : index + 1]) for index in range(5)])
    monkeypatch.setattr(readout_row, "_SIDE_BY_SIDE", 2)
    other = ReadoutRow.keep(policies["diffusion"], *inputs(model), rng=RNG)
    np.testing.assert_allclose(other.knock_out(sets[:5]), alone, atol=5 * TOLERANCE["diffusion"])


def test_the_forward_is_the_one_that_acts(policies):
    model = policies["diffusion"]
    observation, tasks = inputs(model)
    row = ReadoutRow.keep(model, observation, tasks, rng=RNG)
    actions, states = model.act(observation, tasks, rng=RNG, watch=True)
    rows = row.layout.select("readout_action", timestep=-1)
    np.testing.assert_allclose(row.actions, actions[0], atol=1e-6)
    np.testing.assert_allclose(row.weights, osc.attention_weights(states)[0][:, :, rows], atol=1e-6)
    alone = jax.jit(functools.partial(run_readout, start=row.programs.span.start))(model.params, row.kept)
    np.testing.assert_allclose(alone, row.kept.group.tokens[0, -1], atol=2e-6)
    nothing = np.zeros((1, row.layout.size), bool)
    np.testing.assert_allclose(row.knock_out(nothing)[0], row.actions, atol=5 * TOLERANCE["diffusion"])


def test_sums_are_sums(policies):
    model = policies["several"]
    row = ReadoutRow.keep(model, *inputs(model), rng=RNG)
    single = [row.gradients(horizon_step=0, dimension=dimension) for dimension in range(3)]
    np.testing.assert_allclose(row.gradients(horizon_step=0, dimension=None), sum(single), atol=1e-5)


def test_a_readout_that_others_read_is_refused(policies):
    model = policies["old"]
    with pytest.raises(
        SelectionError, match=r"Other tokens look at 'readout_action' \(.*\), so its rows cannot be run"
    ):
        osc.readout_gradients(model, *inputs(model))


def test_what_does_not_fit_is_refused(policies):
    model = policies["several"]
    observation, tasks = inputs(model)
    row = ReadoutRow.keep(model, observation, tasks)
    size = row.layout.size
    with pytest.raises(SelectionError, match=rf"\(set, key\) with {size} keys"):
        row.knock_out(np.zeros((1, size + 1), bool))
    with pytest.raises(SelectionError, match="Set 1 hides every key"):
        row.knock_out(np.array([[False] * size, [True] * size]))
    with pytest.raises(SelectionError, match=r"`layer` must be in 0\.\.1, got 2"):
        row.knock_out(np.zeros((1, size), bool), layers=[2])
    with pytest.raises(SelectionError, match=r"`dimension` must be in 0\.\.2, got 3"):
        row.gradients(dimension=3)
    with pytest.raises(SelectionError, match=r"no head 'actoin'.*Did you mean 'action'"):
        osc.readout_gradients(model, observation, tasks, head="actoin")
    two = jax.tree.map(functools.partial(np.repeat, repeats=2, axis=0), observation)
    with pytest.raises(ObservationError, match="Give one example"):
        osc.readout_gradients(model, two, model.create_tasks(texts=["push the ball"] * 2))
