"""Octo run on a part of its tokens; one program for each number of them."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from octoscope.array_typing import Float32, Int
from octoscope.policies.octo.acting import acting_head
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.module import OctoModule
from octoscope.policies.octo.octo_inputs import OctoInputs


class TokenDropper:
    """Runs the policy on the tokens that are kept, the others gone from the sequence before the first block."""

    def __init__(self, model: OctoModel, *, action_dim: int | None) -> None:
        """Compiles nothing yet; `action_dim` is how many dimensions the robot has, for a diffusion head."""
        sampling: dict[str, Any] = {} if action_dim is None else {"embodiment_action_dim": action_dim}
        module, head = model.module, acting_head(model)

        def act(params: Any, observation: Any, tasks: Any, kept: Array, key: Array) -> Array:
            actions = module.apply(
                {"params": params},
                observation,
                tasks,
                observation["timestep_pad_mask"],
                key,
                head=head,
                kept_tokens=kept,
                method=OctoModule.act,
                **sampling,
            )
            return jnp.asarray(actions)[0]

        self._act: Callable[..., Array] = jax.jit(act)
        # What is looked at is the same for all sets, so pictures and words are encoded once.
        self._act_on_sets: Callable[..., Array] = jax.jit(jax.vmap(act, in_axes=(None, None, None, 0, None)))

    def on(
        self, params: Mapping[str, Any], inputs: OctoInputs, key: Array
    ) -> Callable[[Int[np.ndarray, " token"]], Float32[np.ndarray, "horizon dim"]]:
        """Returns what acts on these inputs with some places alone; everything else lies on the device already."""
        held = jax.device_put((params, inputs.observation, inputs.tasks))
        return lambda kept: np.asarray(self._act(*held, jnp.asarray(kept), key))

    def on_sets(
        self, params: Mapping[str, Any], inputs: OctoInputs, key: Array, sets: Int[np.ndarray, "set token"]
    ) -> Float32[np.ndarray, "set horizon dim"]:
        """Returns what the policy does on each of some sets of places of one size."""
        return np.asarray(self._act_on_sets(params, inputs.observation, inputs.tasks, jnp.asarray(sets), key))
