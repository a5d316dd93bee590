"""The score network cut by what its first layer reads, against the whole; and the current timestep denoised alone."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from octoscope.policies.octo.heads.diffusion_head import DiffusionActionHead
from octoscope.policies.octo.heads.score_network import ScoreActor, split_score
from octoscope.policies.octo.network.token_group import TokenGroup
from octoscope.tokens.token_source import TokenSource

RNG = jax.random.PRNGKey(0)


def random_params(shapes: Any, *, scale: float) -> Any:
    """Every leaf drawn anew, because biases and norms start at 0 and 1 and would hide what is left out."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(0, scale, leaf.shape).astype(np.float32)), shapes)


@pytest.mark.parametrize("norm", [True, False])
def test_the_cut_network_predicts_the_same_noise(norm):
    network = ScoreActor(time_dim=6, num_blocks=2, hidden_dim=16, use_layer_norm=norm, out_dim=10)
    rng = np.random.default_rng(1)
    embedding, actions = (jnp.asarray(rng.normal(size=(1, 2, size)), jnp.float32) for size in (12, 10))
    time = jnp.full((1, 2, 1), 7.0)
    params = random_params(network.init(RNG, embedding, actions, time)["params"], scale=0.4)
    whole: Any = network.apply({"params": params}, embedding, actions, time)
    cut = split_score(network, params, embedding)(actions, time)
    assert np.abs(whole).max() > 0.5
    np.testing.assert_allclose(cut, whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("embodiment", [None, 2])
def test_the_current_timestep_alone_is_denoised_as_with_the_whole_window(pooled, embodiment):
    head = DiffusionActionHead(
        "readout_action", use_map=pooled, action_horizon=2, action_dim=3, time_dim=6, num_blocks=1, hidden_dim=8
    )
    tokens = jnp.asarray(np.random.default_rng(2).normal(size=(1, 2, 3, 16)), jnp.float32)
    outputs = {"readout_action": TokenGroup(tokens, jnp.ones((1, 2, 3), bool), TokenSource("readout"))}
    # Small weights: the schedule itself blows up what the network rounds, and clipped actions would show nothing.
    params = random_params(head.init(RNG, outputs)["params"], scale=0.05)
    sampling = {} if embodiment is None else {"embodiment_action_dim": embodiment}
    whole, current = (
        np.asarray(head.apply({"params": params}, outputs, RNG, method=method, **sampling))
        for method in (head.predict_action, head.predict_current)
    )
    assert whole.shape == (1, 2, 3)
    assert np.abs(whole).max() > 0.1
    np.testing.assert_allclose(current, whole, atol=2e-5)


def test_both_ways_need_a_key():
    head = DiffusionActionHead("readout_action", time_dim=6, num_blocks=1, hidden_dim=8)
    group = TokenGroup(jnp.zeros((1, 1, 1, 8)), jnp.ones((1, 1, 1), bool), TokenSource("readout"))
    variables = head.init(RNG, {"readout_action": group})
    for method in (head.predict_action, head.predict_current):
        with pytest.raises(ValueError, match="`rng` must be given to a diffusion head"):
            head.apply(variables, {"readout_action": group}, None, method=method)
