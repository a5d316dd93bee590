"""Watching one step: what is made of the states that come back."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from octoscope.capture.provenance import run_manifest
from octoscope.episodes.windows import observation_window
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.states import attention_weights, token_pad
from octoscope.serving.state import PolicyState
from octoscope.serving.step_attention import StepAttention
from octoscope.serving.watched_rows import WatchedRows


def keep_attention(
    model: OctoModel,
    states: Mapping[str, Any],
    state: PolicyState,
    *,
    actions: np.ndarray,
    actions_robot: np.ndarray,
    seed: int,
) -> StepAttention:
    """Returns the attention of the step that `state` has reached, copied to the host.

    Args:
      model: The policy.
      states: As `OctoModel.act` gives them.
      state: With the history up to this step, and the rows that were kept.
      actions: The chunk, normalised.
      actions_robot: The chunk in the robot's units.
      seed: Of the noise.
    """
    rows, frames = state.rows, state.frames
    assert rows is not None, "the step was watched"
    assert frames is not None, "the history holds this step"
    weights, pad = jax.device_get((attention_weights(states)[0], token_pad(states)[0]))
    bounds = np.cumsum([len(places) for places in rows.places.values()])[:-1]
    frame_index, real = observation_window(state.step, rows.layout.window)
    history = frames.observations
    return StepAttention(
        step=state.step,
        weights=dict(zip(rows.places, np.split(weights, bounds, axis=2), strict=True)),
        layout=rows.layout,
        selection=rows.selection,
        token_pad=pad,
        timestep_pad_mask=real,
        frame_index=frame_index,
        frames={camera: tuple(seen[camera] for seen in history) for camera in history[-1]},
        actions=actions,
        actions_robot=actions_robot,
        # Only if somebody asks for the run: the first time, it takes the digest of the whole checkpoint.
        manifest=lambda: _manifest(model, rows, state, dtype=str(weights.dtype), seed=seed),
    )


def _manifest(model: OctoModel, rows: WatchedRows, state: PolicyState, *, dtype: str, seed: int) -> dict[str, Any]:
    """Returns what a run of one step says of itself: what `attend` says, but that the episode is as long as it is so far."""
    assert state.reading is not None, "the history holds this step"
    manifest = run_manifest(
        model,
        state.reading.observations,
        rows.layout,
        rows.selection,
        instruction=state.task.instruction,
        goal_images=state.task.goal_images,
        steps=[state.step],
        seed=seed,
        dtype=dtype,
    )
    return {
        **manifest,
        "transforms": {camera: dataclasses.asdict(made) for camera, made in state.reading.transforms.items()},
        "episode_length": state.step + 1,
        # Nobody has seen the whole episode yet.
        "episode_sha256": None,
        "loop": "in a control loop",
    }
