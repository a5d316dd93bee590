"""What was sown during a forward, out of the states that Flax gives back."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def attention_weights(states: Mapping[str, Any]) -> Float[Array, "batch layer head query key"]:
    """Returns the attention weights of all layers out of the states of one forward."""
    blocks = states["intermediates"]["octo_transformer"]["BlockTransformer_0"]["Transformer_0"]
    layers = sorted(blocks, key=lambda name: int(name.rpartition("_")[2]))
    weights = [blocks[layer]["MultiHeadDotProductAttention_0"]["attention_weights"][0] for layer in layers]
    return jnp.stack(weights, axis=1)


def token_pad(states: Mapping[str, Any]) -> Bool[Array, "batch token"]:
    """Returns, out of the states of one forward, which tokens were masked out as keys."""
    return ~states["intermediates"]["octo_transformer"]["token_mask"][0]
