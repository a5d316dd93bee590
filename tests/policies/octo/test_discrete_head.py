"""Heads over bins: how many tokens each variant reads, with and without pooling, and which bins come out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from octoscope.policies.octo.checkpoint.config import apply_shims
from octoscope.policies.octo.heads.discrete_head import DiscreteActionHead, TokenPerDimActionHead
from octoscope.policies.octo.network.token_group import TokenGroup
from octoscope.tokens.token_source import TokenSource
from small_policies import head, small_config

KEY = jax.random.PRNGKey(0)
HORIZON, DIM, BINS = 2, 3, 4


def readout(tokens):
    values = jax.random.normal(jax.random.key(tokens), (2, 2, tokens, 8))
    return {"readout_action": TokenGroup(values, jnp.ones((2, 2, tokens), bool), TokenSource("readout"))}


@pytest.mark.parametrize("use_map", [False, True])
@pytest.mark.parametrize(
    ("token_per", "tokens"), [("", 1), ("action_horizon", 2), ("action_dim_and_action_horizon", 6)]
)
def test_each_variant_reads_its_tokens_in_order(token_per, tokens, use_map):
    policy = DiscreteActionHead("readout_action", use_map, token_per, HORIZON, DIM, BINS)
    outputs = readout(5 if use_map else tokens)
    logits, variables = policy.init_with_output(KEY, outputs)
    params = variables["params"]
    assert logits.shape == (2, 2, HORIZON, DIM, BINS)
    assert params["vocab_proj"]["kernel"].shape == (8, HORIZON * DIM * BINS // tokens)
    assert ("map_head" in params) == use_map
    if use_map:
        assert params["map_head"]["probe"].shape == (1, tokens, 8)
    else:
        values = np.asarray(outputs["readout_action"].tokens) @ params["vocab_proj"]["kernel"]
        np.testing.assert_allclose(logits, values.reshape(logits.shape), atol=1e-5)


def test_a_readout_of_another_size_is_refused():
    with pytest.raises(ValueError, match="`readout_action` must have 6 tokens for this head, got 5"):
        TokenPerDimActionHead("readout_action", action_horizon=HORIZON, action_dim=DIM).init(KEY, readout(5))
    with pytest.raises(ValueError, match="`token_per` must be one of"):
        DiscreteActionHead("readout_action", token_per="dim").init(KEY, readout(5))


@pytest.mark.parametrize(
    ("normalization_type", "middles"), [("uniform", [0.125, 0.375, 0.625, 0.875]), ("normal", None)]
)
def test_actions_are_the_middles_of_bins(normalization_type, middles):
    policy = DiscreteActionHead("readout_action", False, "", HORIZON, DIM, BINS, normalization_type)
    outputs = readout(1)
    logits, variables = policy.init_with_output(KEY, outputs)

    def act(*args, **kwargs):
        return policy.apply(variables, outputs, *args, method=DiscreteActionHead.predict_action, **kwargs)

    ids = np.argmax(logits[:, -1], axis=-1)
    best = act(argmax=True, sample_shape=(5,))
    assert best.shape == (5, 2, HORIZON, DIM)
    if middles is not None:
        np.testing.assert_allclose(best[0], np.array(middles)[ids], atol=1e-6)
    drawn = jax.random.categorical(KEY, logits[:, -1] / 0.5, shape=(3, 2, HORIZON, DIM))
    got = act(KEY, sample_shape=(3,), temperature=0.5)
    table = {int(i): float(a) for i, a in zip(ids.ravel(), np.ravel(best[0]), strict=True)}
    for i, a in zip(np.ravel(drawn), np.ravel(got), strict=True):
        assert int(i) not in table or table[int(i)] == pytest.approx(float(a))
    with pytest.raises(ValueError, match="`rng` must be given to draw bins"):
        act()


@pytest.mark.parametrize(
    ("old", "new"),
    [("pred_horizon", "action_horizon"), ("action_dim_and_pred_horizon", "action_dim_and_action_horizon"), ("", "")],
)
def test_names_of_2023_are_todays(old, new):
    config = small_config(heads={"action": head("DiscreteActionHead", token_per=old, pred_horizon=4)})
    kwargs = apply_shims(config)["model"]["heads"]["action"]["kwargs"]
    assert kwargs == {"readout_key": "readout_action", "token_per": new, "action_horizon": 4}


@pytest.mark.parametrize("broken", [[], {"kwargs": []}, {"module": "x"}])
def test_a_head_that_is_no_spec_passes_the_renaming(broken):
    assert apply_shims(small_config(heads={"action": broken}))["model"]["heads"]["action"] == broken
