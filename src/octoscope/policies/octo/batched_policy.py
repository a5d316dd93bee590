"""The policy run over many changed inputs at once, all under one noise."""

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from octoscope.array_typing import Bool, Float, Float32
from octoscope.policies.finite_actions import check_finite_actions
from octoscope.policies.forward_count import forwards_done
from octoscope.policies.octo.acting import acting_head
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.module import OctoModule
from octoscope.policies.octo.octo_inputs import OctoInputs


@functools.lru_cache(maxsize=2)
def batched_policy(model: OctoModel, *, action_dim: int | None, batch: int) -> "BatchedPolicy":
    """Returns the same object for the same policy, so that a second step compiles nothing."""
    return BatchedPolicy(model, action_dim=action_dim, batch=batch)


class BatchedPolicy:
    """Acts on a fixed number of inputs at a time, so that one program serves however many there are.

    Each input is a batch of one under the same key: it gets the very noise it would get alone.
    """

    def __init__(self, model: OctoModel, *, action_dim: int | None = None, batch: int = 16) -> None:
        """Compiles nothing yet.

        Args:
          model: The policy.
          action_dim: Dimensions that the robot has, for a diffusion head.
          batch: Inputs run at once.
        """
        self.model = model
        self.params = model.params
        self.batch = batch
        self._action_dim = action_dim
        self._programs: dict[Any, Callable[..., Array]] = {}

    def with_params(self, params: Mapping[str, Any]) -> "BatchedPolicy":
        """Returns the same compiled programs for a policy of the same shape with other parameters."""
        other = copy.copy(self)
        other.params = params
        return other

    def act(self, inputs: Sequence[OctoInputs], key: Array) -> Float32[np.ndarray, "intervention horizon dim"]:
        """Returns the normalised action chunk for each of the inputs."""
        same = (
            all(other.observation is inputs[0].observation for other in inputs),
            all(other.tasks is inputs[0].tasks for other in inputs),
            all(other.hidden is inputs[0].hidden for other in inputs),
        )
        if all(same):
            alone = self._program(same, len(inputs), keys=False)
            action = np.asarray(alone(self.params, *_merged(inputs[:1], same), key))
            check_finite_actions(action)
            return np.repeat(action[None], len(inputs), axis=0)
        chunks = [inputs[start : start + self.batch] for start in range(0, len(inputs), self.batch)]
        # A few inputs are cheaper in a small program of their own than filled up to a whole batch.
        size = min(self.batch, _power_of_two(len(inputs)))
        program = self._program(same, size, keys=False)
        # Of all inputs: those of one chunk may hide nothing although others do.
        nowhere = next((np.zeros(one.hidden.shape, bool) for one in inputs if one.hidden is not None), None)
        actions: list[np.ndarray] = []
        for chunk in chunks:
            merged = _merged([*chunk, *[chunk[-1]] * (size - len(chunk))], same, nowhere)
            actions.append(np.asarray(program(self.params, *merged, key)))
            forwards_done(len(chunk))
        check_finite_actions(np.stack(actions))
        return np.concatenate([found[: len(chunk)] for found, chunk in zip(actions, chunks, strict=True)])

    def act_under(self, inputs: OctoInputs, keys: Sequence[Array]) -> Float32[np.ndarray, "draw horizon dim"]:
        """Returns the normalised action chunk for one input under several noises."""
        program = self._program((True, True, True), len(keys), keys=True)
        merged = _merged([inputs], (True, True, True))
        actions = np.asarray(program(self.params, *merged, jnp.stack(list(keys))))
        check_finite_actions(actions)
        return actions

    def _program(self, same: tuple[bool, bool, bool], size: int, *, keys: bool) -> Callable[..., Array]:
        shape = (same, 1 if all(same) and not keys else size, keys)
        if shape not in self._programs:
            axes = tuple(None if one else 0 for one in same)
            alone = all(same) and not keys
            act = self._act_once if alone else jax.vmap(self._act_once, in_axes=(None, *axes, 0 if keys else None))
            self._programs[shape] = jax.jit(act)
        return self._programs[shape]

    def _act_once(
        self, params: Mapping[str, Any], observation: Any, tasks: Any, hidden: Array | None, key: Array
    ) -> Float[Array, "horizon dim"]:
        sampling: dict[str, Any] = {} if self._action_dim is None else {"embodiment_action_dim": self._action_dim}
        actions = self.model.module.apply(
            {"params": params},
            observation,
            tasks,
            observation["timestep_pad_mask"],
            key,
            head=acting_head(self.model),
            hidden_keys=None if hidden is None else hidden[None],
            method=OctoModule.act,
            **sampling,
        )
        return jnp.asarray(actions)[0]


def _merged(
    inputs: Sequence[OctoInputs],
    same: tuple[bool, bool, bool],
    nowhere: Bool[np.ndarray, "query key"] | None = None,
) -> tuple[Any, Any, Any]:
    """Returns the parts of the inputs, those that differ stacked; `nowhere` stands for hiding no key where some hide keys."""
    first = inputs[0]
    observation = first.observation if same[0] else _stacked([one.observation for one in inputs])
    tasks = first.tasks if same[1] else _stacked([one.tasks for one in inputs])
    if same[2]:
        return observation, tasks, first.hidden
    assert nowhere is not None, "some input hides keys"
    return observation, tasks, np.stack([nowhere if one.hidden is None else one.hidden for one in inputs])


def _stacked(parts: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *parts)


def _power_of_two(count: int) -> int:
    return 1 << (count - 1).bit_length()
