"""The block transformer over the tokens of a `RowPlan` alone: the same sums as the plain one, in another order."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float

from octoscope.policies.octo.lean.row_plan import LayerPlan, Range, RowPlan, places
from octoscope.policies.octo.network import block_parts

Params = Any


@struct.dataclass
class PrefixKeys:
    """What the prefix offers to the other tokens in each layer; the same for a whole episode."""

    keys: tuple[Float[Array, "batch key head channel"], ...]
    values: tuple[Float[Array, "batch key head channel"], ...]


def encode_prefix(
    params: Params,
    tokens: Float[Array, "batch token embed"],
    mask: Bool[Array, "batch 1 token token"],
    *,
    num_layers: int,
    dtype: Any = jnp.float32,
) -> PrefixKeys:
    """Returns the prefix's keys and values in every layer; `tokens` and `mask` are those of the prefix alone."""
    keys, values = [], []
    x = tokens
    for layer in range(num_layers):
        block = block_parts.block_params(params, layer)
        h = block_parts.attention_input(block, x)
        q, k, v = (block_parts.project_heads(block, name, h, dtype) for name in ("query", "key", "value"))
        keys.append(k)
        values.append(v)
        weights = block_parts.masked_softmax(block_parts.attention_logits(q, k, dtype), mask)
        x = block_parts.block_output(block, x, block_parts.gather(weights, v, dtype), dtype)
    return PrefixKeys(tuple(keys), tuple(values))


def run_blocks(
    params: Params,
    tokens: Float[Array, "batch token embed"],
    mask: Bool[Array, "batch 1 token token"],
    prefix: PrefixKeys,
    plan: RowPlan,
    *,
    watched: Sequence[int],
    dtype: Any = jnp.float32,
) -> tuple[Float[Array, "batch token embed"], list[Float[Array, "batch head query token"]]]:
    """Returns the encodings, NaN where nobody reads them, and the attention of the watched tokens in each layer.

    Args:
      params: Of the whole policy.
      tokens: The whole sequence, before the first block.
      mask: Who may look at whom, padding included.
      prefix: From `encode_prefix`.
      plan: What has to be computed.
      watched: Places, in the order wanted.
      dtype: Factors of products are rounded to it.
    """
    x = _take(tokens, plan.layers[0].inputs, axis=1)
    watched_weights = []
    for layer, step in enumerate(plan.layers):
        block = block_parts.block_params(params, layer)
        x, weights = _run_layer(
            block, x, mask, (prefix.keys[layer], prefix.values[layer]), step, plan, watched=watched, dtype=dtype
        )
        watched_weights.append(weights)
    read = places(plan.layers[-1].outputs)
    unread = jnp.full((*tokens.shape[:1], plan.size, tokens.shape[-1]), jnp.nan, x.dtype)
    return unread.at[:, read].set(block_parts.final_norm(params, x)), watched_weights


def _run_layer(
    block: Params,
    x: Float[Array, "batch input embed"],
    mask: Bool[Array, "batch 1 token token"],
    prefix: tuple[Array, Array],
    step: LayerPlan,
    plan: RowPlan,
    *,
    watched: Sequence[int],
    dtype: Any,
) -> tuple[Float[Array, "batch output embed"], Float[Array, "batch head query token"]]:
    inputs = places(step.inputs)
    # Places in the sequence of the keys at hand, in order.
    here = np.concatenate([np.arange(plan.prefix), inputs])
    h = block_parts.attention_input(block, x)
    keys = jnp.concatenate([prefix[0], block_parts.project_heads(block, "key", h, dtype)], axis=1)
    values = jnp.concatenate([prefix[1], block_parts.project_heads(block, "value", h, dtype)], axis=1)
    looking = tuple(row_class.rows for row_class in step.classes)
    q = block_parts.project_heads(block, "query", _take(h, _within(inputs, looking), axis=1), dtype)
    attended, seen = [], {}
    start = 0
    for row_class in step.classes:
        count = row_class.rows[1] - row_class.rows[0]
        queries = q[:, start : start + count]
        start += count
        at = _within(here, row_class.keys)
        visible = _take(mask[:, :, row_class.rows[0] : row_class.rows[1]], row_class.keys, axis=3)
        weights = block_parts.masked_softmax(
            block_parts.attention_logits(queries, _take(keys, at, axis=1), dtype), visible
        )
        for place in watched:
            if row_class.rows[0] <= place < row_class.rows[1]:
                row = slice(place - row_class.rows[0], place - row_class.rows[0] + 1)
                sees = visible[:, :, row].any(axis=-1, keepdims=True)
                # A token that sees nothing looks at all tokens alike, not only at those of its class.
                seen[place] = jnp.where(sees, _spread(weights[:, :, row], row_class.keys, plan.size), 1 / plan.size)
        if row_class.goes_out:
            attended.append(block_parts.gather(weights, _take(values, at, axis=1), dtype))
    none = jnp.zeros((x.shape[0], q.shape[2], 0, plan.size))
    watched_weights = jnp.concatenate([none, *(seen[place] for place in watched)], axis=2)
    out = _take(x, _within(inputs, step.outputs), axis=1)
    return block_parts.block_output(block, out, jnp.concatenate(attended, axis=1), dtype), watched_weights


def _within(places_here: np.ndarray, ranges: Sequence[Range]) -> tuple[Range, ...]:
    """Returns where ranges of the sequence lie among the places at hand, neighbours joined."""
    ranges_here: list[Range] = []
    for start, stop in ranges:
        first = int(np.searchsorted(places_here, start))
        last = int(np.searchsorted(places_here, stop))
        if ranges_here and ranges_here[-1][1] == first:
            ranges_here[-1] = (ranges_here[-1][0], last)
        else:
            ranges_here.append((first, last))
    return tuple(ranges_here)


def _take(array: Array, ranges: Sequence[Range], *, axis: int) -> Array:
    parts = [array[(slice(None),) * axis + (slice(start, stop),)] for start, stop in ranges]
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=axis)


def _spread(weights: Array, ranges: Sequence[Range], size: int) -> Float[Array, "batch head query token"]:
    """Returns weights of some keys laid out over all tokens, 0 elsewhere: what the mask gives in the plain forward."""
    parts, at, taken = [], 0, 0
    for start, stop in ranges:
        parts += [jnp.zeros((*weights.shape[:-1], start - at), weights.dtype)]
        parts += [weights[..., taken : taken + stop - start]]
        at, taken = stop, taken + stop - start
    parts += [jnp.zeros((*weights.shape[:-1], size - at), weights.dtype)]
    return jnp.concatenate(parts, axis=-1)
