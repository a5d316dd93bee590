"""The arrays of one step of an episode through Octo: its attention, its action, its encodings."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from octoscope.episodes.windows import observation_window
from octoscope.errors import SelectionError, nearest
from octoscope.policies.action_space import ActionSpace
from octoscope.policies.bind import BoundEpisode
from octoscope.policies.finite_actions import check_finite_actions
from octoscope.policies.noise import Noise
from octoscope.policies.octo.acting import acting_head, noise_key
from octoscope.policies.octo.lean.lean_episode import LeanEpisode
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.octo_inputs import octo_observation, octo_tasks
from octoscope.policies.octo.recording.encoding_stream import EncodingStream
from octoscope.policies.octo.recording.step_batch import StepBatch, choose_batch, select_kept
from octoscope.policies.recording import Arrays, RecordOptions
from octoscope.tokens.attention_selection import AttentionSelection
from octoscope.tokens.layout import TokenLayout

# How a forward is computed. "exact": bit for bit as `OctoModel.act`. "fast": only what is read, equal to rounding. "bf16": that, with the
# factors of the transformer's products rounded to bfloat16.
COMPUTE = {"exact": jnp.float32, "fast": jnp.float32, "bf16": jnp.bfloat16}


@dataclass(frozen=True, eq=False)
class StepRecorder:
    """Acts at one step after another, and keeps what was selected of the attention of that very forward."""

    model: OctoModel
    bound: BoundEpisode
    selection: AttentionSelection
    options: RecordOptions

    def __post_init__(self) -> None:
        """Refuses what does not go together, before anything is made.

        Raises:
          SelectionError: If `compute` is not known, cannot be had here, or does not go with `batch`; or a point does not exist.
        """
        choose_batch(self.model, self.options.batch, compute=self.compute)
        _ = self._encodings

    @property
    def batch(self) -> int:
        """How many steps go through one forward; see `choose_batch`."""
        return choose_batch(self.model, self.options.batch, compute=self.compute)

    @property
    def compute(self) -> str:
        """How the forward is computed: what was asked for, or "exact" where "fast" does not cover these rows or this policy.

        Raises:
          SelectionError: If it is not known, or bfloat16 was asked for and cannot be had.
        """
        if self.options.compute not in COMPUTE:
            raise SelectionError(
                f"`compute` must be one of {', '.join(COMPUTE)}, got '{self.options.compute}'.{nearest(self.options.compute, COMPUTE)}"
            )
        if self.options.compute == "bf16" and self._lean is None:
            raise SelectionError(
                "`compute` 'bf16' does not cover rows of the prefix (task_...), nor a policy whose prefix looks beyond itself or "
                "whose head reads no readout: choose other `query_groups`, or 'exact'."
            )
        return "exact" if self._lean is None else self.options.compute

    def arrays_of(self, steps: Sequence[int]) -> list[Arrays]:
        """Returns the arrays that a run stores for each of at most `batch` steps, from one forward."""
        if self.batch == 1:
            return [self.arrays_at(step) for step in steps]
        seen = [octo_observation(self.model, self.bound.at(step)) for step in steps]
        keys = [noise_key(Noise(self.options.seed, step)) for step in steps]
        made = self._step_batch.act(self.model, seen, self._tasks, keys, size=self.batch)
        return [
            self._arrays(step, observation, *each) for step, observation, each in zip(steps, seen, made, strict=True)
        ]

    def arrays_at(self, step: int) -> Arrays:
        """Returns the arrays that a run stores for one step, from a forward of its own."""
        observation = octo_observation(self.model, self.bound.at(step))
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
        times, real = observation_window(step, self.bound.window)
        arrays = self._attention_arrays(weights)
        arrays["token_pad"] = (pad, ("token",))
        arrays["timestep_pad_mask"] = (real, ("window",))
        arrays["frame_index"] = (times, ("window",))
        arrays["actions"] = (actions, ("horizon", "dim"))
        robot = self._space.to_robot(actions, self.bound.unchecked_at(step))
        if robot is not None:
            check_finite_actions(robot, step=step)
            arrays["actions_robot"] = (np.asarray(robot, np.float32), ("horizon", "robot_dim"))
        if self._encodings is not None:
            arrays |= self._encodings.arrays_at(observation)
        return arrays

    @property
    def bytes_per_step(self) -> int:
        """What one step takes before compression."""
        weights = self.selection.bytes_per_step(self._layout, dtype=self.options.dtype)
        return weights + (0 if self._encodings is None else self._encodings.bytes_per_step)

    def _act(self, observation: Mapping[str, Any], step: int) -> tuple[Array, Mapping[str, Any]]:
        rng = noise_key(Noise(self.options.seed, step))
        dims = self._action_dim
        if self._lean is not None:
            times, _ = observation_window(step, self.bound.window)
            return self._lean.act(observation, times, rng=rng, embodiment_action_dim=dims)
        return self.model.act(
            observation,
            self._tasks,
            rng=rng,
            watch=True,
            query_rows=self._query_rows,
            head=acting_head(self.model),
            embodiment_action_dim=dims,
        )

    def facts(self) -> dict[str, Any]:
        """Returns what the manifest says of how it computes."""
        # Only where asked for, so that a run without is what it was before there were encodings.
        points = () if self._encodings is None else self._encodings.points
        kept = {"encodings": [point.to_json() for point in points]} if points else {}
        return {"compute": self.compute, "batch": self.batch, **kept}

    def constants(self) -> Arrays:
        """Returns encodings that are the same at every step."""
        return {} if self._encodings is None else self._encodings.constants(self._first)

    @property
    def _layout(self) -> TokenLayout:
        return self.bound.layout

    @property
    def _space(self) -> ActionSpace:
        return self.bound.policy.action_space(self.bound.episode.dataset)

    @property
    def _action_dim(self) -> int | None:
        return None if self._space.unnormalize is None else self._space.dim

    @functools.cached_property
    def _first(self) -> dict[str, Any]:
        """The observation of a step, for shapes alone."""
        return octo_observation(self.model, self.bound.unchecked_at(0))

    @functools.cached_property
    def _tasks(self) -> dict[str, Any]:
        return octo_tasks(self.model, self.bound.unchecked_at(0))

    @functools.cached_property
    def _encodings(self) -> EncodingStream | None:
        """Encodings that are kept; they come from a forward beside the one that acts."""
        asked = self.options
        if not asked.encodings:
            return None
        return EncodingStream.plan_for(self.model, self._first, self._tasks, asked.encodings, dtype=asked.dtype)

    def _attention_arrays(self, weights: np.ndarray) -> Arrays:
        arrays: Arrays = {}
        start = 0
        for group, places in self._rows.items():
            kept = weights[:, :, start : start + len(places)]
            arrays[self.selection.array_name(group)] = (kept, self.selection.axes(self._layout, group))
            start += len(places)
        return arrays

    @functools.cached_property
    def _kept(self) -> dict[str, Any]:
        keys = self.selection.key_places(self._layout)
        everything = len(keys) == self._layout.size
        chosen = None if everything else tuple(int(key) for key in keys)
        return {"layers": self.selection.layers, "keys": chosen, "dtype": self.options.dtype}

    @functools.cached_property
    def _step_batch(self) -> StepBatch:
        return StepBatch(acting_head(self.model), self._query_rows, self._action_dim, **self._kept)

    @functools.cached_property
    def _rows(self) -> Mapping[str, np.ndarray]:
        return {group: self.selection.query_places(self._layout, group) for group in self.selection.query_groups}

    @property
    def _query_rows(self) -> tuple[int, ...]:
        return tuple(int(row) for places in self._rows.values() for row in places)

    @functools.cached_property
    def _lean(self) -> LeanEpisode | None:
        if self.options.compute not in ("fast", "bf16"):
            return None
        return LeanEpisode.plan_for(
            self.model,
            self._tasks,
            self._layout,
            watched=self._query_rows,
            head=acting_head(self.model),
            dtype=COMPUTE[self.options.compute],
        )
