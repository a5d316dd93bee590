"""One layer of Gemma, plain or with norms that the time of a denoising step scales, shifts and gates (adaRMS)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from octoscope.policies.parts.layers import attend, dense, gated_mlp, rotate, split_heads

_EPSILON = 1e-6


class GemmaLayer(NamedTuple):
    """What a layer gives."""

    x: Float[Array, "token embed"]
    # Its own, positions turned into the keys.
    keys: Float[Array, "token kv_head channel"]
    values: Float[Array, "token kv_head channel"]
    weights: Float[Array, "head token key"]


def gemma_norm(
    params: Mapping[str, Any], x: Float[Array, "token embed"], condition: Float[Array, " embed"] | None
) -> tuple[Float[Array, "token embed"], Float[Array, "..."]]:
    """Returns x with mean square 1, scaled by one more than the weight, and what gates the branch behind it: 1 without a condition."""
    y = x * jax.lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + _EPSILON)
    if condition is None:
        return y * (1 + params["weight"]), jnp.ones(())
    scale, shift, gate = jnp.split(dense(params["dense"], condition), 3)
    return y * (1 + scale) + shift, gate


def gemma_layer(
    params: Mapping[str, Any],
    x: Float[Array, "token embed"],
    positions: Int[Array, " token"],
    mask: Bool[Array, "token key"],
    *,
    head_dim: int,
    condition: Float[Array, " embed"] | None = None,
    before: tuple[Array, Array] | None = None,
    nudge: Float[Any, "head token key"] | None = None,
) -> GemmaLayer:
    """Returns what a layer makes of its tokens.

    Args:
      params: Of the layer.
      x: The tokens.
      positions: Of the tokens.
      mask: True: this token sees this key; keys of `before` come first.
      head_dim: Entries of a head.
      condition: Of the norms; None where they have weights.
      before: Keys and values of tokens in front that the layer sees too.
      nudge: Added to the weights after the softmax.
    """
    attention = params["self_attn"]
    y, gate = gemma_norm(params["input_layernorm"], x, condition)
    q, k, v = (split_heads(dense(attention[name], y), head_dim) for name in ("q_proj", "k_proj", "v_proj"))
    k = rotate(k, positions)
    keys, values = (k, v) if before is None else (jnp.concatenate(pair) for pair in zip(before, (k, v), strict=True))
    attended = attend(rotate(q, positions), keys, values, mask, nudge)
    x = x + dense(attention["o_proj"], attended.values) * gate
    y, gate = gemma_norm(params["post_attention_layernorm"], x, condition)
    x = x + gated_mlp(params["mlp"], y, _gelu) * gate
    return GemmaLayer(jax.lax.optimization_barrier(x), k, v, attended.weights)


def _gelu(x: Array) -> Array:
    return jax.nn.gelu(x, approximate=True)
