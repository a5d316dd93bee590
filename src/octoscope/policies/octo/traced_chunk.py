"""One action chunk of the policy as a function of its parameters and inputs, for whoever compiles it with something changed inside."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from octoscope.policies.octo.acting import acting_head
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.module import OctoModule


def traced_chunk(
    model: OctoModel,
    params: Mapping[str, Any],
    observation: Mapping[str, Any],
    tasks: Mapping[str, Any],
    key: Array,
    *,
    action_dim: int | None,
) -> Float[Array, "horizon dim"]:
    """Returns the normalised chunk of the acting head for one example, to be called under jit and `nn.intercept_methods`.

    Args:
      model: The policy.
      params: Its parameters, as an argument, so that they are not compiled in.
      observation: Batch size 1.
      tasks: Batch size 1.
      key: Of the head's noise.
      action_dim: Dimensions that the dataset's actions have, where the head has more; None for all.
    """
    sampling: dict[str, Any] = {} if action_dim is None else {"embodiment_action_dim": action_dim}
    actions = model.module.apply(
        {"params": params},
        observation,
        tasks,
        observation["timestep_pad_mask"],
        key,
        head=acting_head(model),
        method=OctoModule.act,
        **sampling,
    )
    return jnp.asarray(actions)[0]
