"""The U-Net head: its parameter tree, its network against NumPy, and its sampling step by step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from octoscope.errors import ConfigError
from octoscope.policies.octo.heads import unet_head
from octoscope.policies.octo.heads.diffusion_head import cosine_betas
from octoscope.policies.octo.heads.unet import ConditionalUnet1D
from octoscope.policies.octo.heads.unet_head import UNetDDPMActionHead
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.token_group import TokenGroup
from octoscope.tokens.token_source import TokenSource
from small_policies import head, small_batch, small_config, write_policy

KEY = jax.random.PRNGKey(0)


def readout(batch=1, window=1, tokens=2, embed=16):
    values = jax.random.normal(jax.random.key(1), (batch, window, tokens, embed))
    return {"readout_action": TokenGroup(values, jnp.ones((batch, window, tokens)), TokenSource("readout"))}


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setattr(unet_head, "_DOWN_FEATURES", (8, 16, 24))


def small_head(**kwargs):
    arguments = {
        "action_dim": 3,
        "action_horizon": 4,
        "use_map": False,
        "flatten_tokens": False,
        "timesteps": 4,
        **kwargs,
    }
    return UNetDDPMActionHead("readout_action", **arguments)


def random_variables(module, *inputs):
    """Numbers in the shapes of a module's parameters; initialising them would take longer than the tests."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(module.init, KEY, *inputs)
    return jax.tree.map(lambda leaf: jnp.asarray(0.2 * rng.normal(size=leaf.shape), jnp.float32), shapes)


def test_parameters_are_those_of_the_original():
    original = UNetDDPMActionHead("readout_action", action_dim=3, action_horizon=8, use_map=False)
    params = jax.eval_shape(original.init, KEY, readout())["params"]
    shapes = {path: leaf.shape for path, leaf in traverse_util.flatten_dict(params, sep="/").items()}
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 63_441_539
    assert {path.split("/")[1] for path in shapes if path.startswith("model/")} == {
        *(f"ConditionalResidualBlock1D_{i}" for i in range(12)),
        *("Dense_0", "Dense_1", "Conv1dBlock_0", "Downsample1d_0", "Downsample1d_1", "Upsample1d_0", "Upsample1d_1"),
    }
    assert shapes["action_proj/kernel"] == (256, 3)
    # Both tokens of 16 entries side by side, and 128 of the time.
    assert shapes["model/ConditionalResidualBlock1D_0/Dense_0/kernel"] == (160, 512)
    # The way up joins the deepest skip to the deepest features.
    assert shapes["model/ConditionalResidualBlock1D_8/Conv_0/kernel"] == (1, 2048, 512)
    assert "model/ConditionalResidualBlock1D_1/Conv_0/kernel" not in shapes


def numpy_unet(params, embedding, chunks, time, widths, groups=8):
    """The same network with loops over places; (window, ...) of one example."""

    def mish(x):
        return x * np.tanh(np.logaddexp(x, 0))

    def dense(p, x):
        return x @ p["kernel"] + p["bias"]

    def conv(p, x, pad, stride=1):
        kernel = p["kernel"]
        x = np.pad(x, ((0, 0), pad, (0, 0)))
        places = range(0, x.shape[1] - len(kernel) + 1, stride)
        return np.stack([np.einsum("wkc,kcd->wd", x[:, i : i + len(kernel)], kernel) for i in places], 1) + p["bias"]

    def block(p, x):
        x = conv(p["Conv_0"], x, (2, 2))
        grouped = x.reshape(*x.shape[:2], groups, -1)
        mean, var = grouped.mean((0, 1, 3), keepdims=True), grouped.var((0, 1, 3), keepdims=True)
        norm = ((grouped - mean) / np.sqrt(var + 1e-6)).reshape(x.shape)
        return mish(norm * p["GroupNorm_0"]["scale"] + p["GroupNorm_0"]["bias"])

    def residual(i, x):
        p = params[f"ConditionalResidualBlock1D_{i}"]
        scale, shift = np.split(dense(p["Dense_0"], mish(condition)), 2, axis=-1)
        y = block(p["Conv1dBlock_1"], block(p["Conv1dBlock_0"], x) * scale[:, None] + shift[:, None])
        return y + (conv(p["Conv_0"], x, (0, 0)) if "Conv_0" in p else x)

    def up(p, x):
        spread = np.zeros((len(x), 2 * x.shape[1] - 1, x.shape[2]))
        spread[:, ::2] = x
        return conv(p["ConvTranspose_0"], spread, (2, 2))

    frequencies = np.exp(-np.arange(64) * np.log(10000) / 63)
    waves = np.concatenate([np.sin(time * frequencies), np.cos(time * frequencies)], -1)
    condition = np.concatenate([embedding, dense(params["Dense_1"], mish(dense(params["Dense_0"], waves)))], -1)
    x, skips = chunks, []
    for level in range(3):
        x = residual(2 * level + 1, residual(2 * level, x))
        skips.append(x)
        if level < 2:
            x = conv(params[f"Downsample1d_{level}"]["Conv_0"], x, (0, 1), stride=2)
    x = residual(7, residual(6, x))
    for level, skip in enumerate((skips[2], skips[1])):
        x = residual(9 + 2 * level, residual(8 + 2 * level, np.concatenate([x, skip], -1)))
        x = up(params[f"Upsample1d_{level}"], x)
    return block(params["Conv1dBlock_0"], x)


def test_network_equals_one_written_in_numpy():
    network, widths = ConditionalUnet1D((8, 16, 24)), (8, 16, 24)
    rng = np.random.default_rng(0)
    embedding, chunks = rng.normal(size=(1, 2, 5)), rng.normal(size=(1, 2, 8, 3))
    time = np.array([[[3.0], [7.0]]])
    inputs = [jnp.asarray(x, jnp.float32) for x in (embedding, chunks, time)]
    params = random_variables(network, *inputs)["params"]
    got = jax.jit(network.apply)({"params": params}, *inputs)
    wide = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    np.testing.assert_allclose(got[0], numpy_unet(wide, embedding[0], chunks[0], time[0], widths), atol=2e-4)


@pytest.mark.parametrize(
    ("variance_type", "clip_sample", "dims"), [("fixed_large", None, None), ("fixed_small", 0.5, 2)]
)
def test_sampling_follows_the_posterior_step_by_step(narrow, variance_type, clip_sample, dims):
    policy = small_head(variance_type=variance_type, clip_sample=clip_sample)
    variables = random_variables(policy, readout())
    predict = jax.jit(policy.apply)
    carry, key = jax.random.split(KEY)
    chunks = jax.random.normal(key, (1, 1, 4, 3))
    alphas = 1 - cosine_betas(4)
    hats = np.cumprod(alphas)
    for t in (3, 2, 1, 0):
        noise = predict(variables, readout(), jnp.full((1, 1, 1), float(t)), jnp.asarray(chunks))
        before = hats[t - 1] if t else 1.0
        clean = (chunks - np.sqrt(1 - hats[t]) * noise) / np.sqrt(hats[t])
        if clip_sample is not None:
            clean = np.clip(clean, -clip_sample, clip_sample)
        mean = np.sqrt(before) * (1 - alphas[t]) / (1 - hats[t]) * clean
        mean += np.sqrt(alphas[t]) * (1 - before) / (1 - hats[t]) * chunks
        small = max((1 - before) / (1 - hats[t]) * (1 - alphas[t]), 1e-20)
        variance = (1 - alphas[t] if variance_type == "fixed_large" else small) if t else 0.0
        carry, key = jax.random.split(carry)
        z = jax.random.normal(key, chunks.shape)
        chunks = np.array(mean + np.sqrt(variance) * z)
        if dims is not None:
            chunks[..., dims:] = np.sqrt(1 - hats[t]) * z[..., dims:]
    got = policy.apply(variables, readout(), KEY, embodiment_action_dim=dims, method=UNetDDPMActionHead.predict_action)
    assert got.shape == (1, 4, 3)
    np.testing.assert_allclose(got, chunks[:, 0], rtol=1e-5, atol=1e-5)


def test_the_action_is_the_last_timesteps_chunk_and_samples_lead(narrow):
    policy, outputs = small_head(flatten_tokens=True), readout(batch=2, window=3)
    variables = random_variables(policy, outputs)

    def sample(method, **kwargs):
        return policy.apply(variables, outputs, KEY, method=method, **kwargs)

    window = sample(UNetDDPMActionHead.denoise_window)
    assert window.shape == (2, 3, 4, 3)
    np.testing.assert_array_equal(sample(UNetDDPMActionHead.predict_action), window[:, -1])
    samples = sample(UNetDDPMActionHead.predict_action, sample_shape=(2, 2))
    assert samples.shape == (2, 2, 2, 4, 3)
    assert np.unique(np.asarray(samples)[..., 0, 0]).size == 8


def test_examples_of_a_batch_do_not_reach_each_other(narrow):
    policy, outputs = small_head(), readout(batch=2)
    variables = random_variables(policy, outputs)
    predict = jax.jit(policy.apply)
    chunks, time = jax.random.normal(KEY, (2, 1, 4, 3)), jnp.full((2, 1, 1), 2.0)
    both = predict(variables, outputs, time, chunks)
    first = jax.tree.map(lambda leaf: leaf[:1], outputs)
    np.testing.assert_allclose(predict(variables, first, time[:1], chunks[:1]), both[:1], atol=1e-6)
    changed = predict(variables, outputs, time, chunks.at[1].add(5.0))
    np.testing.assert_array_equal(changed[0], both[0])
    assert not np.allclose(changed[1], both[1], atol=1e-3)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"use_map": (False,)}, "must have `use_map` false"),
        ({"use_map": True}, "must have `use_map` false"),
        ({"variance_type": "fixed_larg"}, "Did you mean 'fixed_large'"),
        ({"action_horizon": 6}, "must be a multiple of 4"),
    ],
)
def test_what_the_original_cannot_run_is_refused(narrow, kwargs, message):
    with pytest.raises(ConfigError, match=message):
        jax.eval_shape(small_head(**kwargs).init, KEY, readout())


def test_a_key_is_needed(narrow):
    policy = small_head()
    variables = random_variables(policy, readout())
    with pytest.raises(ValueError, match="`rng` must be given to a diffusion head"):
        policy.apply(variables, readout(), method=UNetDDPMActionHead.predict_action)


def test_a_checkpoint_with_this_head_acts(narrow, tmp_path):
    heads = {"action": head("UNetDDPMActionHead", action_dim=3, action_horizon=4, use_map=False, timesteps=4)}
    batch = small_batch()
    model = OctoModel.load_pretrained(write_policy(tmp_path / "policy", small_config(heads=heads), batch))
    assert "UNetDDPMActionHead, horizon 4, dimensions 3" in model.get_pretty_spec()
    inputs = batch["observation"], model.create_tasks(goals={"image_primary": batch["task"]["image_primary"]})
    actions = model.sample_actions(*inputs, model.action_statistics(""), rng=KEY)
    assert actions.shape == (1, 4, 2)
    normalised, states = model.act(*inputs, rng=KEY, watch=True, embodiment_action_dim=2)
    np.testing.assert_array_equal(normalised[..., :2], actions)
    assert states["intermediates"]


def test_a_readout_that_is_not_there_names_the_nearest(tmp_path):
    wrong = small_config(
        heads={"action": {**head("ContinuousActionHead"), "kwargs": {"readout_key": "readout_actoin"}}}
    )
    with pytest.raises(ConfigError, match=r"reads 'readout_actoin'.*Did you mean 'readout_action'"):
        write_policy(tmp_path / "policy", wrong, small_batch())
