"""SmolVLA's suffix: a chunk of actions, from noise, is moved along a velocity in several passes that look at the prefix."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from octoscope.policies.parts.flow import AnyArray, Denoised, PrefixMemory, pass_times
from octoscope.policies.parts.layers import attend, dense, gated_mlp, rms_norm, rotate, split_heads, time_encoding
from octoscope.policies.smolvla.config import SmolVlaConfig
from octoscope.policies.smolvla.prefix import EPSILON


def denoise(
    params: Mapping[str, Any],
    config: SmolVlaConfig,
    memory: PrefixMemory,
    noise: Float[AnyArray, "horizon dim"],
    hidden: Bool[AnyArray, "horizon key"],
    nudges: Float[AnyArray, "pass layer head horizon key"] | None,
) -> Denoised:
    """Returns the actions (with their padding) and what was seen on the way.

    Args:
      params: The whole policy's parameters.
      config: The network.
      memory: Keys and values that all passes look at.
      noise: What the actions start from.
      hidden: Keys that actions may not see, besides the rules.
      nudges: Added to the weights; None adds nothing.
    """
    times = pass_times(config.passes)

    def one_pass(
        actions: Float[Array, "horizon dim"], step: tuple[Array, Array | None]
    ) -> tuple[Float[Array, "horizon dim"], tuple[Array, Array]]:
        time, nudge = step
        velocity, weights, encodings = _velocity(params, config, memory, actions, time, jnp.asarray(hidden), nudge)
        return actions - velocity / config.passes, (weights, encodings)

    actions, (weights, encodings) = jax.lax.scan(
        one_pass, jnp.asarray(noise), (times, None if nudges is None else jnp.asarray(nudges))
    )
    return Denoised(actions, weights, encodings)


def _velocity(
    params: Mapping[str, Any],
    config: SmolVlaConfig,
    memory: PrefixMemory,
    actions: Float[Array, "horizon dim"],
    time: Float[Array, ""],
    hidden: Bool[Array, "horizon key"],
    nudge: Array | None,
) -> tuple[Float[Array, "horizon dim"], Array, Array]:
    chunk, real, head_dim = config.chunk_size, memory.real, config.vlm.head_dim
    tokens = len(real)
    encoded = time_encoding(time, config.expert_hidden, periods=config.periods)
    x = dense(params["action_in_proj"], actions)
    x = jnp.concatenate([x, jnp.broadcast_to(encoded, x.shape)], -1)
    x = dense(params["action_time_mlp_out"], jax.nn.silu(dense(params["action_time_mlp_in"], x)))
    # An action sees itself and those before it.
    rules = jnp.concatenate([jnp.broadcast_to(real, (chunk, tokens)), jnp.tri(chunk, dtype=bool)], 1) & ~hidden
    weights, encodings = [], [x]
    for number in range(config.layers):
        layer = params["expert"]["layers"][str(number)]
        y, attention = rms_norm(layer["input_layernorm"], x, epsilon=EPSILON), layer["self_attn"]
        q = split_heads(dense(attention["q_proj"], y), head_dim)
        if config.looks_at_actions(number):
            positions = real.sum() + jnp.arange(chunk)
            k, v = (split_heads(dense(attention[name], y), head_dim) for name in ("k_proj", "v_proj"))
            k = jnp.concatenate([memory.keys[number], rotate(k, positions)])
            v, keys = jnp.concatenate([memory.values[number], v]), tokens + chunk
        else:
            positions, keys = jnp.arange(chunk), tokens
            cached = (memory.keys[number].reshape(tokens, -1), memory.values[number].reshape(tokens, -1))
            k, v = (
                split_heads(dense(attention[name], part), head_dim)
                for name, part in zip(("k_proj", "v_proj"), cached, strict=True)
            )
        own_nudge = None if nudge is None else nudge[number, :, :, :keys]
        attended = attend(rotate(q, positions), k, v, rules[:, :keys], own_nudge)
        x = x + dense(attention["o_proj"], attended.values)
        x = x + gated_mlp(layer["mlp"], rms_norm(layer["post_attention_layernorm"], x, epsilon=EPSILON), jax.nn.silu)
        x = jax.lax.optimization_barrier(x)
        weights.append(jnp.pad(attended.weights, ((0, 0), (0, 0), (0, tokens + chunk - keys))))
        encodings.append(x)
    velocity = dense(params["action_out_proj"], rms_norm(params["expert"]["norm"], x, epsilon=EPSILON))
    return velocity, jnp.stack(weights), jnp.stack(encodings)
