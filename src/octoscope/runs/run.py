"""A run: one stored analysis of one episode, a zarr v3 group that opens without jax.

    attention/GROUP      (step, layer, head, query, key)  weights of the current timestep's GROUP tokens, after mask and softmax
    token_pad            (step, token)                    True where a token was masked out as a key
    frame_index          (step, window)                   which frame of the episode each timestep shows
    timestep_pad_mask    (step, window)                   False where the timestep is padded history
    frames/CAMERA        (time, height, width, channel)   RGB as recorded
    actions              (step, horizon, dim)             normalised, as the head gives them
    actions_robot        (step, horizon, robot_dim)       in the dataset's units; absent without statistics
    recorded_actions     (time, recorded_dim)             absent when the episode has none

The manifest, in the group's attributes, says which policy, episode, instruction, seed and layout all this belongs to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store

from octoscope.array_typing import Bool, Float, Int, UInt8
from octoscope.errors import RunError, SelectionError, nearest
from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.layout import TokenLayout

FORMAT = 1


@dataclass(frozen=True)
class Run:
    """A finished run, read piece by piece."""

    group: zarr.Group
    manifest: Mapping[str, Any]
    layout: TokenLayout

    @classmethod
    def open(cls, store: str | Path | Store) -> "Run":
        """Opens a finished run.

        Raises:
          RunError: If there is none, it is not finished, or it is of another format.
        """
        try:
            group = zarr.open_group(store, mode="r")
        except (FileNotFoundError, ValueError) as error:
            raise RunError(f"There is no run at {store} ({error}).") from None
        manifest: dict[str, Any] = dict(group.attrs)
        if manifest.get("format") != FORMAT:
            raise RunError(f"{store} is no run of format {FORMAT}, but {manifest.get('format', 'something else')}.")
        if not manifest["complete"]:
            raise RunError(f"The run at {store} was not finished. Make it anew.")
        return cls(group, manifest, TokenLayout.from_json(manifest["layout"]))

    @property
    def steps(self) -> tuple[int, ...]:
        """The episode's steps that the run holds, in order."""
        return tuple(self.manifest["steps"])

    @property
    def query_groups(self) -> tuple[str, ...]:
        """Token groups whose attention is stored."""
        return tuple(self.manifest["query_groups"])

    @property
    def num_layers(self) -> int:
        """Layers of the policy."""
        return self._attention(self.query_groups[0]).shape[1]

    @property
    def num_heads(self) -> int:
        """Attention heads of each layer."""
        return self._attention(self.query_groups[0]).shape[2]

    @property
    def cameras(self) -> tuple[str, ...]:
        """Cameras that are in the policy's sequence."""
        return self.layout.cameras

    def index_of(self, step: int) -> int:
        """Returns the place of an episode's step in the run.

        Raises:
          SelectionError: If the run does not hold that step.
        """
        if step not in self.steps:
            raise SelectionError(f"The run holds the steps {_ranges(self.steps)}, got {step}.")
        return self.steps.index(step)

    def attention(self, query_group: str, *, step: int) -> Float[np.ndarray, "layer head query key"]:
        """Returns the weights of all layers and heads at one step of the episode, in float32.

        Raises:
          SelectionError: If the group's attention or the step is not in the run.
        """
        return np.asarray(self._attention(query_group)[self.index_of(step)], np.float32)

    def frame(self, camera: str, *, time: int) -> UInt8[np.ndarray, "height width 3"]:
        """Returns a frame of the episode as recorded."""
        return np.asarray(self._array(f"frames/{camera}")[time])

    def frame_index(self, *, step: int) -> Int[np.ndarray, " window"]:
        """Returns which frame of the episode each timestep of the window shows."""
        return np.asarray(self._array("frame_index")[self.index_of(step)])

    def timestep_pad_mask(self, *, step: int) -> Bool[np.ndarray, " window"]:
        """Returns False where a timestep is padded history."""
        return np.asarray(self._array("timestep_pad_mask")[self.index_of(step)])

    def token_pad(self, *, step: int) -> Bool[np.ndarray, " token"]:
        """Returns True where a token was masked out as a key."""
        return np.asarray(self._array("token_pad")[self.index_of(step)])

    @property
    def actions(self) -> Float[np.ndarray, "step horizon dim"]:
        """Predicted action chunks: in the dataset's units when its statistics are known, else normalised."""
        return np.asarray(self._array("actions_robot" if "actions_robot" in self.group else "actions")[:])

    @property
    def recorded_actions(self) -> Float[np.ndarray, "time dim"] | None:
        """Recorded actions, or None when the episode has none."""
        return np.asarray(self._array("recorded_actions")[:]) if "recorded_actions" in self.group else None

    def transform(self, camera: str) -> ImageTransform:
        """Returns how a camera's frames were brought to the policy's size."""
        data = self.manifest["transforms"][camera]
        return ImageTransform(**{name: tuple(value) for name, value in data.items()})

    def _attention(self, query_group: str) -> zarr.Array:
        if query_group not in self.query_groups:
            raise SelectionError(
                f"The run holds no attention of '{query_group}'. It holds: {', '.join(self.query_groups)}."
                + nearest(query_group, self.query_groups)
            )
        return self._array(f"attention/{query_group}")

    def _array(self, name: str) -> zarr.Array:
        array = self.group[name]
        assert isinstance(array, zarr.Array), f"{name} is an array in every run"
        return array


def _ranges(steps: tuple[int, ...]) -> str:
    contiguous = steps == tuple(range(steps[0], steps[-1] + 1))
    return f"{steps[0]}..{steps[-1]}" if contiguous else ", ".join(map(str, steps))
