"""Learned pooling of tokens by attention.

References: MAPHead, Lee et al., "Set Transformer", 2019, https://arxiv.org/abs/1810.00825; TokenLearner, Ryoo et al., 2021,
https://arxiv.org/abs/2106.11297.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from octoscope.policies.octo.network.attention import MlpBlock, watched_attention


class MAPHead(nn.Module):
    """Learned probes attend to the tokens; the result passes a residual MLP. The probes themselves are not added back."""

    num_heads: int = 8
    num_readouts: int = 1

    @nn.compact
    def __call__(
        self, tokens: Float[Array, "*batch token embed"], mask: Bool[Array, "*batch token"] | None = None
    ) -> Float[Array, "*batch readout embed"]:
        """Returns one vector per probe; where a mask hides every token, the probe sees all alike."""
        *leading, count, embed = tokens.shape
        x = tokens.reshape(-1, count, embed)
        probe = self.param("probe", nn.initializers.xavier_uniform(), (1, self.num_readouts, embed))
        probe = jnp.broadcast_to(probe, (x.shape[0], self.num_readouts, embed))
        key_mask = None
        if mask is not None:
            key_mask = jnp.broadcast_to(mask.reshape(-1, 1, 1, count), (x.shape[0], 1, self.num_readouts, count))
        attention = nn.MultiHeadDotProductAttention(
            num_heads=self.num_heads, deterministic=True, attention_fn=watched_attention
        )
        out = attention(probe, x, mask=key_mask, sow_weights=True)
        h = nn.LayerNorm()(out)
        out = out + MlpBlock(4 * embed)(h)
        return out.reshape(*leading, self.num_readouts, embed)


class TokenLearner(nn.Module):
    """A few tokens made of many; none of them has a place in the image any more."""

    num_tokens: int

    @nn.compact
    def __call__(self, tokens: Float[Array, "*batch token embed"]) -> Float[Array, "*batch learned embed"]:
        """Returns `num_tokens` tokens."""
        positions = self.param("pos_embed", nn.initializers.normal(0.02), tokens.shape[-2:])
        x = nn.LayerNorm()(tokens + positions)
        return MAPHead(num_readouts=self.num_tokens, name="MAPHead_0")(x)
