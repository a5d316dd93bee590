"""The current readout through all blocks many times at once, each time with other keys hidden from it.

The same sums as `readout_rows.run_readout`, arranged for hundreds of sets side by side. Measured at octo-small's size (690 tokens, 256
sets, 2 cores), where attention alone took as long as all other products of a block: hidden keys as a term that is added and not as a
choice, the division by the softmax's sum after the values are gathered, and that sum as a product with ones.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from octoscope.policies.octo.network import block_parts
from octoscope.policies.octo.readout.readout_rows import KeptForward

Params = Mapping[str, Any]


def run_readout_sets(
    params: Params, kept: KeptForward, hidden: Bool[Array, "set token"], on: Bool[Array, " layer"], *, start: int
) -> Float[Array, "set query embed"]:
    """Returns the encodings of the current readout, run alone once for each set of hidden keys.

    Args:
      params: Of the policy.
      kept: What the forward left behind.
      hidden: Keys that it may not look at, in each set; at least one must be left.
      on: Layers in which they are hidden.
      start: Place of the readout's first token in the sequence.
    """
    own = slice(start, start + kept.inputs.shape[0])
    everything = _penalty(kept.mask)[None]
    rest = _penalty(kept.mask & ~hidden[:, None])
    # All sets are alike until keys are hidden: in the first layer queries, keys and logits are computed once.
    x = kept.inputs[None]
    # Heads first: products over the arrays as they lie take twice as long.
    keys, values = (jnp.swapaxes(array, 1, 2) for array in (kept.keys, kept.values))
    ones = jnp.ones((kept.keys.shape[1], 1))
    for layer in range(kept.keys.shape[0]):
        block = block_parts.block_params(params, layer)
        h = block_parts.attention_input(block, x)
        q, own_keys, own_values = (
            jnp.moveaxis(block_parts.project_heads(block, name, h), 2, 0) for name in ("query", "key", "value")
        )
        penalty = jnp.where(on[layer], rest, everything)
        others = jnp.einsum("hsqc,hkc->hsqk", q, keys[layer]) + penalty.at[:, :, own].set(_HIDDEN)
        itself = _attend_itself(q, own_keys) + penalty[:, :, own]
        top = jnp.maximum(others.max(axis=-1, keepdims=True), itself.max(axis=-1, keepdims=True))
        others, itself = jnp.exp(others - top), jnp.exp(itself - top)
        total = jnp.einsum("hsqk,kc->hsqc", others, ones) + itself.sum(axis=-1, keepdims=True)
        gathered = jnp.einsum("hsqk,hkc->hsqc", others, values[layer]) + _gather_itself(itself, own_values)
        x = jnp.broadcast_to(x, (hidden.shape[0], *kept.inputs.shape))
        x = block_parts.block_output(block, x, jnp.moveaxis(gathered / total, 0, 2))
    return block_parts.final_norm(params, x)


_HIDDEN = float(jnp.finfo(jnp.float32).min)


def _penalty(visible: Bool[Array, "*set query token"]) -> Float[Array, "*set query token"]:
    """Returns what is added to logits: no finite logit is left of it where a key is hidden."""
    return jnp.where(visible, 0.0, _HIDDEN)


def _attend_itself(
    q: Float[Array, "head set query channel"], keys: Float[Array, "head set key channel"]
) -> Float[Array, "head set query key"]:
    if q.shape[2] == 1:
        # One token: a thousand products of two vectors, each of which would cost a call.
        return jnp.sum(q * keys, axis=-1, keepdims=True)
    return jnp.einsum("hsqc,hskc->hsqk", q, keys)


def _gather_itself(
    weights: Float[Array, "head set query key"], values: Float[Array, "head one key channel"]
) -> Float[Array, "head set query channel"]:
    # In the first layer one set of values serves all.
    values = jnp.broadcast_to(values, (*weights.shape[:2], *values.shape[2:]))
    return weights * values if weights.shape[-1] == 1 else jnp.einsum("hsqk,hskc->hsqc", weights, values)
