"""Layers without a bias unless they hold one, RMS norm, gated MLP, rotary positions and attention with fewer keys' heads than queries'."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

# On a GPU the default would round products to TF32, a thousandth off.
EXACT = jax.lax.Precision.HIGHEST
_ROPE_BASE = 10_000.0


class Attended(NamedTuple):
    """What an attention gives."""

    values: Float[Array, "query embed"]
    weights: Float[Array, "head query key"]


def dense(params: Mapping[str, Any], x: Float[Array, "*batch into"]) -> Float[Array, "*batch out"]:
    """Returns x times a weight (out, in), plus its bias where it has one; products are of float32, however the weight is held."""
    y = jnp.einsum("...i,oi->...o", x, params["weight"].astype(jnp.float32), precision=EXACT)
    return y + params["bias"] if "bias" in params else y


def layer_norm(
    params: Mapping[str, Any], x: Float[Array, "*batch embed"], *, epsilon: float
) -> Float[Array, "*batch embed"]:
    """Returns x with mean 0 and variance 1 along its last axis, scaled and shifted."""
    centered = x - x.mean(-1, keepdims=True)
    variance = jnp.square(centered).mean(-1, keepdims=True)
    return centered * jax.lax.rsqrt(variance + epsilon) * params["weight"] + params["bias"]


def rms_norm(
    params: Mapping[str, Any], x: Float[Array, "*batch embed"], *, epsilon: float
) -> Float[Array, "*batch embed"]:
    """Returns x with mean square 1 along its last axis, scaled."""
    return x * jax.lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + epsilon) * params["weight"]


def gated_mlp(
    params: Mapping[str, Any], x: Float[Array, "*batch embed"], activation: Callable[[Array], Array]
) -> Float[Array, "*batch embed"]:
    """Returns the MLP whose inner entries are gated."""
    return dense(params["down_proj"], activation(dense(params["gate_proj"], x)) * dense(params["up_proj"], x))


def split_heads(x: Float[Array, "token inner"], head_dim: int) -> Float[Array, "token head channel"]:
    """Returns vectors cut into heads."""
    return x.reshape(x.shape[0], -1, head_dim)


def rotate(
    x: Float[Array, "token head channel"], positions: Int[Array, " token"]
) -> Float[Array, "token head channel"]:
    """Returns queries or keys with their place turned into them (rotary positions, halves paired)."""
    half = x.shape[-1] // 2
    angles = positions[:, None] / _ROPE_BASE ** (np.arange(half, dtype=np.float32) / half)
    sine, cosine = jnp.sin(angles)[:, None], jnp.cos(angles)[:, None]
    first, second = x[..., :half], x[..., half:]
    return jnp.concatenate([first * cosine - second * sine, second * cosine + first * sine], -1)


def attend(
    query: Float[Array, "query head channel"],
    key: Float[Array, "key kv_head channel"],
    value: Float[Array, "key kv_head channel"],
    mask: Bool[Array, "query key"],
    nudge: Float[Array, "head query key"] | None = None,
) -> Attended:
    """Returns attended values, and the weights they were made with: exactly 0 where masked.

    A query that sees no key looks at all alike, as in the original: the fill is finite.

    Args:
      query: Of all heads.
      key: Of fewer heads: query head h reads head h // (heads / kv_heads).
      value: Likewise.
      mask: True: this query sees this key.
      nudge: Added to the weights after the softmax; the way to their gradients.
    """
    groups = query.shape[1] // key.shape[1]
    key, value = jnp.repeat(key, groups, axis=1), jnp.repeat(value, groups, axis=1)
    logits = jnp.einsum("qhd,khd->hqk", query, key, precision=EXACT) * query.shape[-1] ** -0.5
    weights = jax.nn.softmax(jnp.where(mask, logits, jnp.finfo(jnp.float32).min), axis=-1)
    return gather(weights, value, nudge)


def gather(
    weights: Float[Array, "head query key"],
    value: Float[Array, "key head channel"],
    nudge: Float[Array | np.ndarray, "head query key"] | None,
) -> Attended:
    """Returns what queries take of the values, heads side by side, and the weights of it once they are nudged."""
    if nudge is not None:
        weights = weights + nudge
    # Without the barrier the compiler may fuse differently when somebody watches, and actions would differ in the last bit.
    weights = jax.lax.optimization_barrier(weights)
    values = jnp.einsum("hqk,khd->qhd", weights, value, precision=EXACT)
    return Attended(values.reshape(values.shape[0], -1), weights)


def time_encoding(time: Float[Array, ""], dim: int, *, periods: tuple[float, float]) -> Float[Array, " embed"]:
    """Returns sines, then cosines, of a time between 0 and 1, at periods from the shortest to the longest.

    Args:
      time: Of the denoising step.
      dim: Entries of the encoding.
      periods: The shortest and the longest.
    """
    shortest, longest = periods
    frequencies = 2 * np.pi / (shortest * (longest / shortest) ** np.linspace(0, 1, dim // 2))
    angles = time * jnp.asarray(frequencies, jnp.float32)
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)])
