"""Several steps of an episode in one forward: for GPUs, which are idle with one; a CPU gains 3 % (benchmarks/batches.py).

The same policy on each example, with the noise that its step has alone: equal to one step at a time to rounding, not to the bit. What a
step gives does not depend on the others beside it, but to be sure of the last bit the same steps are always put together.
"""

import functools
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from octoscope.errors import SelectionError
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.module import OctoModule
from octoscope.policies.octo.network.states import attention_weights, token_pad
from octoscope.policies.parts.device_name import device_name

# Not measured: no GPU was at hand. Small enough for any.
GPU_BATCH = 8


def choose_batch(model: OctoModel, asked: int | None, *, compute: str) -> int:
    """Returns how many steps go through one forward: what was asked for, else 1, or `GPU_BATCH` where the policy lies on a GPU.

    Raises:
      SelectionError: If it is less than 1, or more than 1 with a forward that shares work between neighbouring steps.
    """
    if asked is not None and asked < 1:
        raise SelectionError(f"`batch` must be at least 1, got {asked}.")
    if compute != "exact":
        if asked is not None and asked > 1:
            raise SelectionError(
                f"`batch` {asked} does not go with `compute` '{compute}', which takes one step after another because neighbours share "
                "their frames: give `compute` 'exact', or `batch` 1."
            )
        return 1
    if asked is not None:
        return asked
    return GPU_BATCH if device_name(model.params).startswith("gpu") else 1


@dataclass(frozen=True)
class StepBatch:
    """The compiled forward over several examples of one task."""

    head: str
    # Places whose attention is kept.
    query_rows: tuple[int, ...]
    # Action dimensions the robot has; None for all.
    action_dim: int | None
    # See `select_kept`.
    layers: tuple[int, ...]
    keys: tuple[int, ...] | None
    dtype: str

    def act(
        self,
        model: OctoModel,
        observations: Sequence[Mapping[str, Any]],
        tasks: Mapping[str, Any],
        keys: Sequence[Array],
        *,
        size: int,
    ) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Returns normalised actions (horizon, dim), kept attention and token pads of each observation.

        Args:
          model: The policy.
          observations: Each with leading (1, window); at most `size`.
          tasks: From `create_tasks`, batch 1.
          keys: Of the noise, one for each observation.
          size: Of the forward. What is missing is filled up with the last observation, so that nothing is compiled anew.
        """
        pad = [model.check_inputs(observation, tasks) for observation in observations]
        fill = size - len(observations)
        stacked: Any = jax.tree.map(lambda *leaves: np.stack(leaves), *observations, *[observations[-1]] * fill)
        masks, noise = jnp.stack([*pad, *[pad[-1]] * fill]), jnp.stack([*keys, *[keys[-1]] * fill])
        found = jax.device_get(self._program(model)(model.params, stacked, tasks, masks, noise))
        return [tuple(array[index] for array in found) for index in range(len(observations))]

    def _program(self, model: OctoModel) -> Any:
        known = _COMPILED.setdefault(model, {})
        if self not in known:
            # Not the model itself: compiled programs that hold it would never let it go.
            act = functools.partial(_act_once, model.module, self)
            known[self] = jax.jit(jax.vmap(act, in_axes=(None, 0, None, 0, 0)))
        return known[self]


def _act_once(
    module: OctoModule, asked: StepBatch, params: Any, observation: Any, tasks: Any, pad: Array, key: Array
) -> tuple[Array, Array, Array]:
    dims: dict[str, Any] = {} if asked.action_dim is None else {"embodiment_action_dim": asked.action_dim}
    applied: Any = module.apply(
        {"params": params},
        observation,
        tasks,
        pad,
        key,
        head=asked.head,
        query_rows=asked.query_rows,
        method=OctoModule.act,
        mutable=["intermediates"],
        **dims,
    )
    actions, states = applied
    return actions[0], *select_kept(states, layers=asked.layers, keys=asked.keys, dtype=asked.dtype)


@functools.partial(jax.jit, static_argnames=("layers", "keys", "dtype"))
def select_kept(
    states: Mapping[str, Any], *, layers: tuple[int, ...], keys: tuple[int, ...] | None, dtype: str
) -> tuple[Float[Array, "layer head query key"], Bool[Array, " token"]]:
    """Returns what is kept of the attention of one example, and which tokens were masked out as keys.

    Only that leaves the device, and the cast happens there: NumPy is slow on subnormal numbers.

    Args:
      states: Of one forward, batch 1.
      layers: Layers that are kept.
      keys: Places of the keys that are kept; None for all.
      dtype: Of the weights.
    """
    weights = attention_weights(states)[0][jnp.array(layers)]
    kept = weights if keys is None else weights[..., jnp.array(keys)]
    return kept.astype(dtype), token_pad(states)[0]


# Compiling takes longer than running.
_COMPILED: weakref.WeakKeyDictionary[OctoModel, dict[StepBatch, Any]] = weakref.WeakKeyDictionary()
