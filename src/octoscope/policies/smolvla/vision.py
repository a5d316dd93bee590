"""A picture to tokens: SigLIP's patches and encoder, then blocks of neighbouring patches that become one token each."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from octoscope.policies.parts.layers import attend, dense, layer_norm, split_heads
from octoscope.policies.smolvla.config import VlmSizes

_EPSILON = 1e-6


def picture_tokens(
    vision: Mapping[str, Any], connector: Mapping[str, Any], image: Float[Array, "height width 3"], sizes: VlmSizes
) -> Float[Array, "token embed"]:
    """Returns the tokens of one picture, row by row.

    Args:
      vision: Parameters of the vision encoder.
      connector: Those of the projection to the width of words.
      image: At the policy's size, in -1..1.
      sizes: The sizes of both.
    """
    patches = _vision_encoding(vision, image, sizes)
    side, shuffle = sizes.image // sizes.patch, sizes.shuffle
    blocks = patches.reshape(side // shuffle, shuffle, side // shuffle, shuffle, -1)
    # Of each block all patches in a row: its rows, its columns, then channels.
    blocks = jnp.moveaxis(blocks, 1, 2).reshape((side // shuffle) ** 2, -1)
    return dense(connector, blocks)


def _vision_encoding(
    vision: Mapping[str, Any], image: Float[Array, "height width 3"], sizes: VlmSizes
) -> Float[Array, "token embed"]:
    """Returns the encoder's vector of each patch, row by row."""
    embedding = vision["embeddings"]
    size, side = sizes.patch, sizes.image // sizes.patch
    # Patches as (channel, row, column), the order of a PyTorch kernel.
    patches = jnp.moveaxis(image.reshape(side, size, side, size, 3), (0, 2, 4, 1, 3), (0, 1, 2, 3, 4))
    kernel = {
        **embedding["patch_embedding"],
        "weight": embedding["patch_embedding"]["weight"].reshape(sizes.vision_hidden, -1),
    }
    x = dense(kernel, patches.reshape(side * side, -1)) + embedding["position_embedding"]["weight"]
    everything = jnp.ones((side * side, side * side), bool)
    head_dim = sizes.vision_hidden // sizes.vision_heads
    for number in range(sizes.vision_layers):
        layer = vision["encoder"]["layers"][str(number)]
        y, attention = layer_norm(layer["layer_norm1"], x, epsilon=_EPSILON), layer["self_attn"]
        q, k, v = (split_heads(dense(attention[name], y), head_dim) for name in ("q_proj", "k_proj", "v_proj"))
        x = x + dense(attention["out_proj"], attend(q, k, v, everything).values)
        y = layer_norm(layer["layer_norm2"], x, epsilon=_EPSILON)
        x = x + dense(layer["mlp"]["fc2"], jax.nn.gelu(dense(layer["mlp"]["fc1"], y), approximate=True))
    return layer_norm(vision["post_layernorm"], x, epsilon=_EPSILON)
