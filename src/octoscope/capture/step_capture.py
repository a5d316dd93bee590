"""One step of an episode through the policy, and what a run keeps of it."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from octoscope.capture.encoding_stream import EncodingStream
from octoscope.capture.lean_episode import LeanEpisode
from octoscope.capture.observations import EpisodeObservations
from octoscope.capture.provenance import acting_head
from octoscope.capture.robot_statistics import robot_statistics
from octoscope.capture.step_batch import StepBatch, choose_batch, select_kept
from octoscope.episodes.episode import Episode
from octoscope.errors import SelectionError, nearest
from octoscope.policies.octo.action_normalization import unnormalize_actions
from octoscope.policies.octo.checkpoint.normalization_type import normalization_type
from octoscope.policies.octo.checkpoint.statistics import action_dimensions
from octoscope.policies.octo.finite import check_finite_actions
from octoscope.policies.octo.model import OctoModel
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
    # Steps in one forward; by the device with None.
    asked_batch: int | None = None

    @property
    def episode(self) -> Episode:
        """The episode that is acted in."""
        return self.observations.episode

    @property
    def batch(self) -> int:
        """How many steps go through one forward; see `choose_batch`."""
        return choose_batch(self.model, self.asked_batch, compute=self.compute)

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

    def arrays_of(self, steps: Sequence[int]) -> list[Arrays]:
        """Returns the arrays that a run stores for each of at most `batch` steps, from one forward."""
        if self.batch == 1:
            return [self.arrays_at(step) for step in steps]
        # Taken in order: the observations forget frames that a window has left behind.
        seen = [self.observations.at(step) for step in steps]
        keys = [self._noise_key(step) for step in steps]
        found = self._step_batch.act(self.model, seen, self.tasks, keys, size=self.batch)
        return [
            self._arrays(step, observation, *one) for step, observation, one in zip(steps, seen, found, strict=True)
        ]

    def arrays_at(self, step: int) -> Arrays:
        """Returns the arrays that a run stores for one step, from a forward of its own."""
        observation = self.observations.at(step)
        actions, states = self._act(observation, step)
        weights, pad = select_kept(states, **self._kept)
        return self._arrays(step, observation, np.asarray(actions[0]), np.asarray(weights), np.asarray(pad))

    def _arrays(
        self, step: int, observation: Mapping[str, Any], actions: np.ndarray, weights: np.ndarray, pad: np.ndarray
    ) -> Arrays:
        broken = [
            layer for layer, kept in zip(self.selection.layers, weights, strict=True) if not np.isfinite(kept).all()
        ]
        check_finite_actions(actions, step=step, layer=broken[0] if broken else None)
        real = np.asarray(observation["timestep_pad_mask"][0])
        statistics = self._statistics
        arrays = self._attention_arrays(weights)
        arrays["token_pad"] = (pad, ("token",))
        arrays["timestep_pad_mask"] = (real, ("window",))
        arrays["frame_index"] = (_frame_index(step, observation), ("window",))
        arrays["actions"] = (actions, ("horizon", "dim"))
        if statistics is not None:
            robot = unnormalize_actions(arrays["actions"][0], statistics, normalization_type(self.model.config))
            check_finite_actions(robot, step=step)
            arrays["actions_robot"] = (np.asarray(robot, np.float32), ("horizon", "robot_dim"))
        if self.encodings is not None:
            arrays |= self.encodings.arrays_at(observation)
        return arrays

    @property
    def bytes_per_step(self) -> int:
        """What one step takes before compression."""
        weights = self.selection.bytes_per_step(self.layout, dtype=self.dtype)
        return weights + (0 if self.encodings is None else self.encodings.bytes_per_step)

    def _act(self, observation: Mapping[str, Any], step: int) -> tuple[Array, Mapping[str, Any]]:
        rng = self._noise_key(step)
        dims = self._action_dim
        if self._lean is not None:
            return self._lean.act(observation, _frame_index(step, observation), rng=rng, embodiment_action_dim=dims)
        return self.model.act(
            observation,
            self.tasks,
            rng=rng,
            watch=True,
            query_rows=self._query_rows,
            head=acting_head(self.model),
            embodiment_action_dim=dims,
        )

    def _noise_key(self, step: int) -> Array:
        return jax.random.fold_in(jax.random.PRNGKey(self.seed), step)

    @property
    def _action_dim(self) -> int | None:
        return None if self._statistics is None else action_dimensions(self._statistics)

    def _attention_arrays(self, weights: np.ndarray) -> Arrays:
        arrays: Arrays = {}
        start = 0
        for group, places in self._rows.items():
            kept = weights[:, :, start : start + len(places)]
            arrays[self.selection.array_name(group)] = (kept, self.selection.axes(self.layout, group))
            start += len(places)
        return arrays

    @functools.cached_property
    def _kept(self) -> dict[str, Any]:
        keys = self.selection.key_places(self.layout)
        everything = len(keys) == self.layout.size
        chosen = None if everything else tuple(int(key) for key in keys)
        return {"layers": self.selection.layers, "keys": chosen, "dtype": self.dtype}

    @functools.cached_property
    def _step_batch(self) -> StepBatch:
        return StepBatch(acting_head(self.model), self._query_rows, self._action_dim, **self._kept)

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
        return robot_statistics(self.model, self.observations.episode.dataset)


def _frame_index(step: int, observation: Mapping[str, Any]) -> np.ndarray:
    """Returns which frame of the episode each timestep of the window shows; the first one again where history is missing."""
    window = observation["timestep_pad_mask"].shape[1]
    return np.maximum(np.arange(step - window + 1, step + 1), 0)
