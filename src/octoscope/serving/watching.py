"""Watching one step: what is made of the attention that comes back."""

import dataclasses
from typing import Any

import numpy as np

from octoscope.capture.policy_recorder import attention_arrays
from octoscope.capture.provenance import run_manifest
from octoscope.episodes.windows import observation_window
from octoscope.policies.policy_model import Watched
from octoscope.serving.state import PolicyState
from octoscope.serving.step_attention import StepAttention


def keep_attention(watched: Watched, state: PolicyState, *, actions_robot: np.ndarray, seed: int) -> StepAttention:
    """Returns the attention of the step that `state` has reached.

    Args:
      watched: Its forward.
      state: With the history up to this step, and the rows that were kept.
      actions_robot: The chunk in the robot's units.
      seed: Of the noise.
    """
    rows, frames = state.rows, state.frames
    assert rows is not None, "the step was watched"
    assert frames is not None, "the history holds this step"
    arrays = {}
    for selection in rows.selections:
        arrays |= attention_arrays(selection, watched, rows.layout, dtype="float32")
    frame_index, real = observation_window(state.step, rows.layout.window)
    history = frames.observations
    return StepAttention(
        step=state.step,
        arrays=arrays,
        layout=rows.layout,
        selections=rows.selections,
        token_pad=watched.token_pad,
        timestep_pad_mask=real,
        frame_index=frame_index,
        frames={camera: tuple(seen[camera] for seen in history) for camera in history[-1]},
        actions=watched.actions,
        actions_robot=actions_robot,
        # Only if somebody asks for the run: the first time, it takes the digest of the whole checkpoint.
        manifest=lambda: _manifest(state, seed=seed),
    )


def _manifest(state: PolicyState, *, seed: int) -> dict[str, Any]:
    """Returns what a run of one step says of itself: what `attend` says, but that the episode is as long as it is so far."""
    rows, reading = state.rows, state.reading
    assert rows is not None, "the step was watched"
    assert reading is not None, "the history holds this step"
    facts = {"compute": "exact", "batch": 1}
    manifest = run_manifest(reading.bound, rows.selections, steps=[state.step], seed=seed, dtype="float32", facts=facts)
    return {
        **manifest,
        "layout": rows.layout.to_json(),
        "transforms": {camera: dataclasses.asdict(made) for camera, made in reading.transforms.items()},
        "episode_length": state.step + 1,
        # Nobody has seen the whole episode yet.
        "episode_sha256": None,
        "loop": "in a control loop",
    }
