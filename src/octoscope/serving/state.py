"""What a control loop carries from step to step; nothing in it is ever changed in place."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from octoscope.array_typing import Float, UInt8
from octoscope.errors import ObservationError
from octoscope.policies.episode_plan import BindOptions
from octoscope.serving.history import ObservationHistory, extend_history
from octoscope.serving.observation_reader import Reading
from octoscope.serving.watched_rows import WatchedRows


@dataclass(frozen=True, eq=False)
class EpisodeTask:
    """What the policy is to do in one episode."""

    # None when a goal image alone says it, or the policy takes no words.
    instruction: str | None
    # By camera, at the policy's size; None for none.
    goal_images: Mapping[str, UInt8[np.ndarray, "height width 3"]] | None

    @property
    def options(self) -> BindOptions:
        """The task as an episode is bound with."""
        return BindOptions(self.instruction, self.goal_images)


@dataclass(frozen=True, eq=False)
class PolicyState:
    """What a step hands to the next; `PolicyState(task)` starts an episode."""

    task: EpisodeTask
    # Steps made in this episode.
    step: int = 0
    # The last observation, and the window: inputs as the policy takes them, and frames as they came. None before the first step.
    reading: Reading | None = None
    inputs: ObservationHistory | None = None
    frames: ObservationHistory | None = None
    # Rows whose attention is kept; None until somebody watches.
    rows: WatchedRows | None = None
    # What the execution keeps between steps.
    pending: Any = ()
    # The chunk predicted last, in the robot's units, and when.
    chunk: Float[np.ndarray, "horizon dim"] | None = None
    predicted_at: int = 0


def observe(state: PolicyState, reading: Reading, *, window: int) -> PolicyState:
    """Returns the state with one more observation in its history.

    Raises:
      ObservationError: If the observation has other entries or frame sizes than the one before, so that they make no history.
    """
    if state.reading is not None:
        _check_like_before(state.reading, reading, state.step)
    return replace(
        state,
        reading=reading,
        inputs=extend_history(state.inputs, reading.inputs, window=window),
        frames=extend_history(state.frames, reading.frames, window=window),
    )


def _check_like_before(before: Reading, now: Reading, step: int) -> None:
    held, holds = before.given, now.given
    changes = [f"{key} is missing" for key in held if key not in holds]
    changes += [f"{key} is new" for key in holds if key not in held]
    if changes:
        raise ObservationError(
            f"This episode's observations hold {', '.join(held)}; at step {step} {', '.join(changes)}. "
            "Give the same entries at every step, or begin a new episode with `reset`."
        )
    for camera, frame in now.frames.items():
        if frame.shape != before.frames[camera].shape:
            raise ObservationError(
                f"Frames of '{camera}' have had shape {before.frames[camera].shape} in this episode, got {frame.shape} at step "
                f"{step}. Begin a new episode with `reset`."
            )
