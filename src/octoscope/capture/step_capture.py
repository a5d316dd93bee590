"""One step of an episode through the policy, and what a run keeps of it."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from octoscope.capture.encoding_stream import EncodingStream
from octoscope.capture.lean_episode import LeanEpisode
from octoscope.capture.numbers import normalization_type
from octoscope.capture.observations import EpisodeObservations
from octoscope.capture.provenance import acting_head
from octoscope.errors import SelectionError, nearest
from octoscope.octo.action_normalization import unnormalize_actions
from octoscope.octo.model import OctoModel
from octoscope.octo.states import attention_weights, token_pad
from octoscope.runs.attention_selection import AttentionSelection
from octoscope.tokens.layout import TokenLayout

# How a forward is computed. "exact": bit for bit as `OctoModel.act`. "fast": only what is read, equal to rounding. "bf16": that, with the
# factors of the transformer's products rounded to bfloat16.
COMPUTE = {"exact": jnp.float32, "fast": jnp.float32, "bf16": jnp.bfloat16}
# By name, an array and the names of its axes without the step's.
Arrays = dict[str, tuple[np.ndarray, tuple[str, ...]]]


@dataclass(frozen=True, eq=False)
class StepCapture:
    """Acts at one step after another, and keeps what was selected of the attention of that very forward."""

    model: OctoModel
    observations: EpisodeObservations
    # From `OctoModel.create_tasks`.
    tasks: Mapping[str, Any]
    layout: TokenLayout
    selection: AttentionSelection
    # Of the action head's noise; that of a step depends on the seed and the step alone.
    seed: int
    # Of the stored weights.
    dtype: str
    # What was asked for, of `COMPUTE`.
    asked: str = "exact"
    # Encodings that are kept; they come from a forward beside the one that acts.
    encodings: EncodingStream | None = None

    @property
    def compute(self) -> str:
        """How the forward is computed: what was asked for, or "exact" where "fast" does not cover these rows or this policy.

        Raises:
          SelectionError: If it is not known, or bfloat16 was asked for and cannot be had.
        """
        if self.asked not in COMPUTE:
            raise SelectionError(
                f"`compute` must be one of {', '.join(COMPUTE)}, got '{self.asked}'.{nearest(self.asked, COMPUTE)}"
            )
        if self.asked == "bf16" and self._lean is None:
            raise SelectionError(
                "`compute` 'bf16' does not cover rows of the prefix (task_...), nor a policy whose prefix looks beyond itself or "
                "whose head reads no readout: choose other `query_groups`, or 'exact'."
            )
        return "exact" if self._lean is None else self.asked

    def arrays_at(self, step: int) -> Arrays:
        """Returns the arrays that a run stores for one step."""
        observation = self.observations.at(step)
        real = np.asarray(observation["timestep_pad_mask"][0])
        frame_index = np.maximum(np.arange(step - len(real) + 1, step + 1), 0)
        actions, states = self._act(observation, step, frame_index)
        statistics = self._statistics
        arrays = self._attention_arrays(states)
        arrays["token_pad"] = (np.asarray(token_pad(states)[0]), ("token",))
        arrays["timestep_pad_mask"] = (real, ("window",))
        arrays["frame_index"] = (frame_index, ("window",))
        arrays["actions"] = (np.asarray(actions[0]), ("horizon", "dim"))
        if statistics is not None:
            robot = unnormalize_actions(arrays["actions"][0], statistics, normalization_type(self.model.config))
            arrays["actions_robot"] = (np.asarray(robot, np.float32), ("horizon", "robot_dim"))
        if self.encodings is not None:
            arrays |= self.encodings.arrays_at(observation)
        return arrays

    @property
    def bytes_per_step(self) -> int:
        """What one step takes before compression."""
        weights = self.selection.bytes_per_step(self.layout, num_heads=self.model.num_heads, dtype=self.dtype)
        return weights + (0 if self.encodings is None else self.encodings.bytes_per_step)

    def _act(
        self, observation: Mapping[str, Any], step: int, frame_index: np.ndarray
    ) -> tuple[Array, Mapping[str, Any]]:
        rng = jax.random.fold_in(jax.random.PRNGKey(self.seed), step)
        dims = None if self._statistics is None else len(self._statistics["mean"])
        if self._lean is not None:
            return self._lean.act(observation, frame_index, rng=rng, embodiment_action_dim=dims)
        return self.model.act(
            observation,
            self.tasks,
            rng=rng,
            watch=True,
            query_rows=self._query_rows,
            head=acting_head(self.model),
            embodiment_action_dim=dims,
        )

    def _attention_arrays(self, states: Mapping[str, Any]) -> Arrays:
        keys = self.selection.key_places(self.layout)
        everything = len(keys) == self.layout.size
        selected = _select(
            states,
            layers=self.selection.layers,
            keys=None if everything else tuple(int(key) for key in keys),
            dtype=self.dtype,
        )
        weights = np.asarray(selected)
        arrays: Arrays = {}
        start = 0
        for group, places in self._rows.items():
            kept = weights[:, :, start : start + len(places)]
            arrays[f"attention/{group}"] = (kept, ("layer", "head", f"query_{group}", "key"))
            start += len(places)
        return arrays

    @functools.cached_property
    def _rows(self) -> Mapping[str, np.ndarray]:
        return {group: self.selection.query_places(self.layout, group) for group in self.selection.query_groups}

    @property
    def _query_rows(self) -> tuple[int, ...]:
        return tuple(int(row) for places in self._rows.values() for row in places)

    @functools.cached_property
    def _lean(self) -> LeanEpisode | None:
        if self.asked not in ("fast", "bf16"):
            return None
        return LeanEpisode.plan_for(
            self.model,
            self.tasks,
            self.layout,
            watched=self._query_rows,
            head=acting_head(self.model),
            dtype=COMPUTE[self.asked],
        )

    @functools.cached_property
    def _statistics(self) -> Mapping[str, Any] | None:
        try:
            known = self.model.action_statistics(self.observations.episode.dataset)
        except SelectionError:
            return None
        # Statistics of more dimensions than the head predicts are another robot's: the actions stay normalised.
        predicted = self.model.module.heads[acting_head(self.model)].action_dim
        return known if len(known["mean"]) <= predicted else None


@functools.partial(jax.jit, static_argnames=("layers", "keys", "dtype"))
def _select(
    states: Mapping[str, Any], *, layers: tuple[int, ...], keys: tuple[int, ...] | None, dtype: str
) -> Float[Array, "layer head query key"]:
    """Returns what is kept; only that leaves the device, and the cast happens there: NumPy is slow on subnormal numbers."""
    weights = attention_weights(states)[0][jnp.array(layers)]
    kept = weights if keys is None else weights[..., jnp.array(keys)]
    return kept.astype(dtype)
