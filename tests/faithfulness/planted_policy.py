"""A policy that by construction acts on one known patch, and on nothing else."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from tiny_policies import head, images, tiny_policy

GRID = (4, 4)
# Entries of a token: 0..7 what a patch shows, 14 marks the readout, 15 the planted patch.
_READOUT, _PLANTED = 14, 15


def planted_policy(folder):
    return tiny_policy(
        folder,
        {"primary": images("image_primary", patch=8)},
        cameras={"primary": (32, 32)},
        heads={"action": head("ContinuousActionHead", horizon=1, dim=3)},
        language=False,
    )


def plant(model, patch):
    """Returns parameters under which the readout looks at this patch alone, at each timestep, and the action is what it saw."""
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: jnp.zeros_like(leaf), dict(model.params))
    transformer = params["octo_transformer"]
    encoder = transformer["observation_tokenizers_primary"]["PatchEncoder_0"]["embedding"]
    encoder["kernel"] = jnp.asarray(rng.normal(0, 0.3, encoder["kernel"].shape), jnp.float32)
    transformer["obs_primary_projection"]["kernel"] = jnp.eye(8, 16)
    marks = np.zeros(transformer["obs_primary_pos_embedding"].shape, np.float32)
    marks[:, :, patch, _PLANTED] = 30.0
    transformer["obs_primary_pos_embedding"] = jnp.asarray(marks)
    readout = np.zeros(transformer["readout_action_pos_embedding"].shape, np.float32)
    readout[..., _READOUT] = 30.0
    transformer["readout_action_pos_embedding"] = jnp.asarray(readout)
    stack = transformer["BlockTransformer_0"]["Transformer_0"]
    for norm in ("LayerNorm_0", "LayerNorm_1"):
        for block in ("encoderblock_0", "encoderblock_1"):
            stack[block][norm]["scale"] = jnp.ones(16)
    stack["encoder_norm"]["scale"] = jnp.ones(16)
    attention = stack["encoderblock_0"]["MultiHeadDotProductAttention_0"]
    query, key, value, out = (
        np.zeros(attention[name]["kernel"].shape, np.float32) for name in ("query", "key", "value", "out")
    )
    query[_READOUT, :, 0] = key[_PLANTED, :, 0] = 4.0
    value[:8] = rng.normal(0, 1, value[:8].shape)
    out[..., :8] = rng.normal(0, 1, out[..., :8].shape)
    for name, kernel in (("query", query), ("key", key), ("value", value), ("out", out)):
        attention[name]["kernel"] = jnp.asarray(kernel)
    mean = params["heads_action"]["mean_proj"]
    kernel = np.zeros(mean["kernel"].shape, np.float32)
    kernel[:8] = rng.normal(0, 1, kernel[:8].shape)
    mean["kernel"] = jnp.asarray(kernel)
    return params


def planted_model(model, patch):
    return dataclasses.replace(model, params=plant(model, patch))
