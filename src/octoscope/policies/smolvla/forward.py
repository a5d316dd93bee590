"""The whole of SmolVLA as one pure function: whoever wants only the actions takes them, and the compiler leaves out the rest."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Bool, Float

from octoscope.policies.smolvla.config import SmolVlaConfig
from octoscope.policies.smolvla.prefix import AnyArray, PrefixTokens, SmolVlaInputs, prefix_tokens, run_prefix
from octoscope.policies.smolvla.suffix import denoise


class StackMasks(NamedTuple):
    """Keys that queries may not see, in every layer and pass, besides the rules."""

    prefix: Bool[AnyArray, "token token"]
    suffix: Bool[AnyArray, "horizon key"]


class StackWeights(NamedTuple):
    """Attention weights after the softmax; rows of padding are uniform, and stand for nothing."""

    prefix: Float[AnyArray, "layer head token token"]
    # Keys are the prefix's tokens, then the actions.
    suffix: Float[AnyArray, "pass layer head horizon key"]


class SmolVlaEncodings(NamedTuple):
    """Tokens' vectors before the first layer and behind each."""

    prefix: Float[AnyArray, "stage token embed"]
    suffix: Float[AnyArray, "pass stage horizon expert"]


class SmolVlaOutputs(NamedTuple):
    """Everything that one forward makes; actions as the network gives them, normalised."""

    actions: Float[AnyArray, "horizon dim"]
    weights: StackWeights
    encodings: SmolVlaEncodings
    # Which tokens of the prefix are no padding.
    real: Bool[AnyArray, " token"]


def smolvla_forward(
    params: Mapping[str, Any],
    config: SmolVlaConfig,
    inputs: SmolVlaInputs,
    noise: Float[AnyArray, "horizon padded_dim"],
    hidden: StackMasks,
    nudges: StackWeights | None = None,
    *,
    special: tuple[int, int] | None = None,
) -> SmolVlaOutputs:
    """Returns the actions of one decision, and the attention and encodings that they were made with.

    Args:
      params: As `load_smolvla_params` gives them.
      config: The network.
      inputs: Normalised inputs.
      noise: What the chunk starts from, with its padding.
      hidden: Keys that queries may not see.
      nudges: Added to the weights after the softmax; zeros are the way to their gradients, None adds nothing.
      special: The ids of the words around a picture, where the policy has them.
    """
    tokens: PrefixTokens = prefix_tokens(params, config, inputs, special)
    prefix = run_prefix(params["text"], config, tokens, hidden.prefix, None if nudges is None else nudges.prefix)
    denoised = denoise(
        params, config, prefix, tokens.real, noise, hidden.suffix, None if nudges is None else nudges.suffix
    )
    return SmolVlaOutputs(
        denoised.actions[:, : config.action_dim],
        StackWeights(prefix.weights, denoised.weights),
        SmolVlaEncodings(prefix.encodings, denoised.encodings),
        jnp.asarray(tokens.real),
    )
