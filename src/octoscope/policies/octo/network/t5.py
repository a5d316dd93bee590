"""The T5 encoder (v1.0), with the parameter names of the Flax implementation whose weights lie in Octo's checkpoints.

Reference: Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer", 2020.
https://arxiv.org/abs/1910.10683
"""

import math
from dataclasses import dataclass

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


@dataclass(frozen=True)
class T5Config:
    """The sizes of a T5 encoder, under the names of its `config.json`."""

    vocab_size: int
    d_model: int
    num_layers: int
    num_heads: int
    d_kv: int
    d_ff: int
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128


T5_CONFIGS = {
    "t5-small": T5Config(32128, 512, 6, 8, 64, 2048),
    "t5-base": T5Config(32128, 768, 12, 12, 64, 3072),
    "t5-large": T5Config(32128, 1024, 24, 16, 64, 4096),
}


class T5Encoder(nn.Module):
    """Word pieces in, one encoding per piece out."""

    config: T5Config

    @nn.compact
    def __call__(
        self, input_ids: Int[Array, "batch token"], attention_mask: Int[Array, "batch token"]
    ) -> Float[Array, "batch token embed"]:
        """Returns the last hidden state; padding pieces are not looked at, but get an encoding too."""
        x = nn.Embed(self.config.vocab_size, self.config.d_model, name="shared")(input_ids)
        return _Stack(self.config, name="encoder")(x, attention_mask)


class _Stack(nn.Module):
    config: T5Config

    @nn.compact
    def __call__(self, x, attention_mask):
        x = _Blocks(self.config, name="block")(x, attention_mask)
        return _RMSNorm(name="final_layer_norm")(x)


class _Blocks(nn.Module):
    config: T5Config

    @nn.compact
    def __call__(self, x, attention_mask):
        bias = jnp.where(attention_mask > 0, 0.0, jnp.finfo(jnp.float32).min)[:, None, None, :]
        for i in range(self.config.num_layers):
            # Only the first block owns a table of relative positions; all blocks add its bias.
            x, bias = _Block(self.config, owns_position_bias=i == 0, name=str(i))(x, bias)
        return x


class _Block(nn.Module):
    config: T5Config
    owns_position_bias: bool

    @nn.compact
    def __call__(self, x, bias):
        return _Layers(self.config, self.owns_position_bias, name="layer")(x, bias)


class _Layers(nn.Module):
    config: T5Config
    owns_position_bias: bool

    @nn.compact
    def __call__(self, x, bias):
        x, bias = _AttentionLayer(self.config, self.owns_position_bias, name="0")(x, bias)
        return _FeedForwardLayer(self.config, name="1")(x), bias


class _AttentionLayer(nn.Module):
    config: T5Config
    owns_position_bias: bool

    @nn.compact
    def __call__(self, x, bias):
        h = _RMSNorm(name="layer_norm")(x)
        h, bias = _SelfAttention(self.config, self.owns_position_bias, name="SelfAttention")(h, bias)
        return x + h, bias


class _SelfAttention(nn.Module):
    config: T5Config
    owns_position_bias: bool

    @nn.compact
    def __call__(self, x, bias):
        c = self.config

        def heads(name):
            y = nn.Dense(c.num_heads * c.d_kv, use_bias=False, name=name)(x)
            return y.reshape(*y.shape[:-1], c.num_heads, c.d_kv)

        q, k, v = heads("q"), heads("k"), heads("v")
        if self.owns_position_bias:
            table = nn.Embed(c.relative_attention_num_buckets, c.num_heads, name="relative_attention_bias")
            buckets = _relative_position_buckets(x.shape[1], c)
            bias = bias + jnp.einsum("qkh->hqk", table(buckets))
        # T5 does not divide by sqrt(d_kv): the scale was folded into its initialisation.
        weights = nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) + bias)
        y = jnp.einsum("bhqk,bkhd->bqhd", weights, v)
        y = y.reshape(*y.shape[:-2], c.num_heads * c.d_kv)
        return nn.Dense(c.d_model, use_bias=False, name="o")(y), bias


class _FeedForwardLayer(nn.Module):
    config: T5Config

    @nn.compact
    def __call__(self, x):
        h = _RMSNorm(name="layer_norm")(x)
        return x + _DenseReluDense(self.config, name="DenseReluDense")(h)


class _DenseReluDense(nn.Module):
    config: T5Config

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Dense(self.config.d_ff, use_bias=False, name="wi")(x))
        return nn.Dense(self.config.d_model, use_bias=False, name="wo")(x)


class _RMSNorm(nn.Module):
    @nn.compact
    def __call__(self, x):
        weight = self.param("weight", nn.initializers.ones, (x.shape[-1],))
        return weight * x / jnp.sqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + 1e-6)


def _relative_position_buckets(tokens: int, config: T5Config) -> Int[np.ndarray, "query key"]:
    """Returns the bucket of each key's distance from each query: exact when near, logarithmic when far."""
    relative = np.arange(tokens)[None, :] - np.arange(tokens)[:, None]
    half = config.relative_attention_num_buckets // 2
    exact = half // 2
    distance = np.abs(relative)
    # In float32 like the original, so that a distance on the edge of a bucket falls to the same side.
    ratio = (np.maximum(distance, exact) / exact).astype(np.float32)
    far = np.log(ratio) / np.float32(math.log(config.relative_attention_max_distance / exact))
    far_bucket = np.minimum((exact + far * (half - exact)).astype(np.int32), half - 1)
    return half * (relative > 0) + np.where(distance < exact, distance, far_bucket)
