"""The parts that encoder and decoder share: norm, MLP, and attention whose weights can be watched, hidden and nudged."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from octoscope.policies.parts import layers
from octoscope.policies.parts.layers import EXACT, Attended, dense, gather

_EPSILON = 1e-5


class Heed(NamedTuple):
    """How an attention is changed: keys that it may not see, and what is added to its weights after the softmax."""

    # True: this query does not see this key. A row that hides all keys has no answer and gives NaN.
    hidden: Bool[Array | np.ndarray, "query key"]
    # Zeros change no bit; the way to gradients of the weights.
    nudge: Float[Array | np.ndarray, "head query key"] | None = None


def layer_norm(params: Mapping[str, Any], x: Float[Array, "*batch embed"]) -> Float[Array, "*batch embed"]:
    """Returns x with mean 0 and variance 1 along its last axis, scaled and shifted, as PyTorch does by default."""
    return layers.layer_norm(params, x, epsilon=_EPSILON)


def mlp(params: Mapping[str, Any], x: Float[Array, "*batch embed"], *, activation: str) -> Float[Array, "*batch embed"]:
    """Returns two dense layers with an activation between; PyTorch's gelu is the exact one."""
    inner = dense(params["linear1"], x)
    inner = jax.nn.relu(inner) if activation == "relu" else jax.nn.gelu(inner, approximate=False)
    return dense(params["linear2"], inner)


def attend(
    params: Mapping[str, Any],
    query: Float[Array, "query embed"],
    key: Float[Array, "key embed"],
    value: Float[Array, "key embed"],
    heed: Heed,
    *,
    heads: int,
) -> Attended:
    """Returns attended values and the weights they were made with, which are exactly 0 on hidden keys.

    Args:
      params: Those of a PyTorch MultiheadAttention: one projection for queries, keys and values, one out.
      query: Vectors that look.
      key: Vectors that are looked at, positions added.
      value: The same without positions.
      heed: What is hidden or nudged.
      heads: Number of heads.
    """
    projections = zip(
        (query, key, value), jnp.split(params["in_proj_weight"], 3), jnp.split(params["in_proj_bias"], 3), strict=True
    )
    q, k, v = (
        dense({"weight": weight, "bias": bias}, x).reshape(x.shape[0], heads, -1) for x, weight, bias in projections
    )
    logits = jnp.einsum("qhd,khd->hqk", q, k, precision=EXACT) / jnp.sqrt(jnp.float32(q.shape[-1]))
    weights = jax.nn.softmax(jnp.where(heed.hidden, -jnp.inf, logits), axis=-1)
    values, weights = gather(weights, v, heed.nudge)
    return Attended(dense(params["out_proj"], values), weights)
