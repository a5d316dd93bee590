"""The current readout alone through all blocks, over keys and values that one forward left behind.

Nothing but the readout reads the readout, so whatever is done to its own attention changes its own rows and nothing else: a pass over
those rows, a 690th of the work for octo-small, gives exactly what the whole forward would. That holds for the direct path: what
reaches the action through the readout's own attention. What other tokens gathered in earlier layers stays as it was.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float

from octoscope.errors import SelectionError
from octoscope.policies.octo.heads.diffusion_head import DiffusionActionHead
from octoscope.policies.octo.network import block_parts
from octoscope.policies.octo.network.module import OctoModule
from octoscope.policies.octo.network.token_group import TokenGroup
from octoscope.tokens.layout import TokenLayout, TokenSpan

Params = Mapping[str, Any]


@struct.dataclass
class KeptForward:
    """What one forward of one example leaves behind for passes over the current readout."""

    # Of all tokens, readout included.
    keys: Float[Array, "layer token head channel"]
    values: Float[Array, "layer token head channel"]
    # Which tokens the readout's rows may look at, padding included.
    mask: Bool[Array, "query token"]
    # The readout's rows, before the first block.
    inputs: Float[Array, "query embed"]
    # Their attention in the forward itself.
    weights: Float[Array, "layer head query token"]
    # The head's group, all timesteps.
    group: TokenGroup
    actions: Float[Array, "horizon dim"]


def readout_span(layout: TokenLayout, readout_key: str) -> TokenSpan:
    """Returns the current timestep's span of the group that a head reads, once it is sure that nothing else reads it.

    Raises:
      SelectionError: If other tokens look at it, or there is no such group at each timestep: then its rows cannot be run alone.
    """
    spans = [span for span in layout.spans if span.group == readout_key and span.timestep == layout.window - 1]
    if len(spans) != 1:
        raise SelectionError(
            f"The head reads '{readout_key}', which is no token group of the current timestep: its rows cannot be run alone. "
            f"The sequence has: {', '.join(layout.groups)}."
        )
    (span,) = spans
    rules = layout.rules()
    others = [other for other in layout.spans if other != span]
    readers = sorted({other.group for other in others if rules[other.start : other.stop, span.start : span.stop].any()})
    if readers:
        raise SelectionError(
            f"Other tokens look at '{readout_key}' ({', '.join(readers)}), so its rows cannot be run alone: changing its attention "
            "changes theirs. Run the whole policy instead, with a mask or changed inputs."
        )
    return span


def keep_forward(
    module: OctoModule,
    params: Params,
    observations: Any,
    tasks: Any,
    pad: Array,
    rng: Array | None,
    *,
    span: TokenSpan,
    head: str,
    embodiment_action_dim: int | None = None,
) -> KeptForward:
    """Runs the policy once, batch 1, and keeps what passes over the readout need."""

    def run(policy: OctoModule) -> tuple[TokenGroup, Array]:
        rows = tuple(range(span.start, span.stop))
        outputs = policy.run_transformer(observations, tasks, pad, query_rows=rows)
        group = outputs[span.group]
        return group, policy.heads[head].predict_action({span.group: group}, rng, **_dims(embodiment_action_dim))

    applied: Any = module.apply(
        {"params": params}, method=run, capture_intermediates=_is_key_or_value, mutable=["intermediates"]
    )
    (group, actions), states = applied
    transformer = states["intermediates"]["octo_transformer"]["BlockTransformer_0"]
    blocks = transformer["Transformer_0"]
    attention = [
        blocks[f"encoderblock_{layer}"]["MultiHeadDotProductAttention_0"]
        for layer in range(module.octo_transformer.num_layers)
    ]
    positions = params["octo_transformer"][f"{span.group}_pos_embedding"]
    return KeptForward(
        keys=jnp.stack([layer["key"]["__call__"][0][0] for layer in attention]),
        values=jnp.stack([layer["value"]["__call__"][0][0] for layer in attention]),
        mask=transformer["attention_mask"][0][0, 0, span.start : span.stop],
        # A readout enters as zeros and its position.
        inputs=positions[0, span.timestep],
        weights=jnp.stack([layer["attention_weights"][0][0] for layer in attention]),
        group=group,
        actions=actions[0],
    )


def run_readout(
    params: Params,
    kept: KeptForward,
    *,
    start: int,
    added: Float[Array, "layer head query token"] | None = None,
) -> Float[Array, "query embed"]:
    """Returns the encodings of the current readout, run alone.

    Args:
      params: Of the policy.
      kept: What the forward left behind.
      start: Place of the readout's first token in the sequence.
      added: Added to its attention weights after the softmax, for gradients.
    """
    x = kept.inputs
    stop = start + x.shape[0]
    for layer in range(kept.keys.shape[0]):
        block = block_parts.block_params(params, layer)
        h = block_parts.attention_input(block, x)
        q, own_keys, own_values = (block_parts.project_heads(block, name, h) for name in ("query", "key", "value"))
        keys, values = kept.keys[layer], kept.values[layer]
        # The logits are joined, not the keys: those of other tokens are the same for every pass.
        parts = (keys[:start], own_keys, keys[stop:])
        logits = jnp.concatenate([block_parts.attention_logits(q, part) for part in parts], axis=-1)
        weights = block_parts.masked_softmax(logits, kept.mask[None])
        if added is not None:
            weights = weights + added[layer]
        attended = (
            block_parts.gather(weights[..., :start], values[:start])
            + block_parts.gather(weights[..., start:stop], own_values)
            + block_parts.gather(weights[..., stop:], values[stop:])
        )
        x = block_parts.block_output(block, x, attended)
    return block_parts.final_norm(params, x)


def act_on(
    module: OctoModule,
    params: Params,
    kept: KeptForward,
    encodings: Float[Array, "query embed"],
    rng: Array | None,
    *,
    span: TokenSpan,
    head: str,
    embodiment_action_dim: int | None = None,
) -> Float[Array, "horizon dim"]:
    """Returns the normalised actions that the head makes of such a readout; its noise is that of the forward for the same `rng`."""
    group = dataclasses.replace(kept.group, tokens=kept.group.tokens.at[:, -1].set(encodings))

    def predict(policy: OctoModule) -> Array:
        acting: Any = policy.heads[head]
        act = acting.predict_current if isinstance(acting, DiffusionActionHead) else acting.predict_action
        return act({span.group: group}, rng, **_dims(embodiment_action_dim))

    actions: Any = module.apply({"params": params}, method=predict)
    return actions[0]


def _dims(embodiment_action_dim: int | None) -> dict[str, int]:
    return {} if embodiment_action_dim is None else {"embodiment_action_dim": embodiment_action_dim}


def _is_key_or_value(module: Any, method: str) -> bool:
    # The name first: modules that belong to none have no path, such as the one that turns bins into numbers.
    return module.name in ("key", "value") and module.path[:2] == ("octo_transformer", "BlockTransformer_0")
