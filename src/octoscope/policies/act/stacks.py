"""The three attentions of an ACT by name, and what each needs: masks, nudges and weights in one shape."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from octoscope.policies.act.config import ActConfig
from octoscope.policies.act.layers import Heed

# On the device inside the network, on the host outside of it.
AnyArray = Array | np.ndarray
ENCODER, DECODER, CROSS = "encoder", "decoder", "decoder.cross"


class HiddenKeys(NamedTuple):
    """Keys that queries may not see, in every layer of a stack, besides none: ACT has no masks of its own."""

    encoder: Bool[AnyArray, "token token"]
    decoder: Bool[AnyArray, "horizon horizon"]
    cross: Bool[AnyArray, "horizon token"]


class StackWeights(NamedTuple):
    """Attention weights after the softmax, of each stack; rows sum to 1."""

    encoder: Float[AnyArray, "layer head token token"]
    decoder: Float[AnyArray, "layer head horizon horizon"]
    cross: Float[AnyArray, "layer head horizon token"]


def hide_nothing(config: ActConfig, tokens: int) -> HiddenKeys:
    """Returns masks under which every query sees every key."""
    chunk = config.chunk_size
    shapes = ((tokens, tokens), (chunk, chunk), (chunk, tokens))
    return HiddenKeys(*(jnp.zeros(shape, bool) for shape in shapes))


def no_nudges(config: ActConfig, tokens: int) -> StackWeights:
    """Returns zeros in the shape of all weights: where gradients are taken."""
    hidden = hide_nothing(config, tokens)
    layers = (config.encoder_layers, config.decoder_layers, config.decoder_layers)
    return StackWeights(*(jnp.zeros((n, config.heads, *mask.shape)) for n, mask in zip(layers, hidden, strict=True)))


def heed_of(hidden: Bool[AnyArray, "query key"], nudges: Any, layer: int) -> Heed:
    """Returns how one layer's attention is changed; `nudges` (layer, head, query, key) or None."""
    return Heed(hidden, None if nudges is None else nudges[layer])
