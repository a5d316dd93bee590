"""What the policy looked at in one step of a control loop, and the same as a run, which maps and sheets are made from."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from zarr.storage import MemoryStore

from octoscope.array_typing import Bool, Float, Int
from octoscope.runs.run import Run
from octoscope.runs.run_writer import RunWriter
from octoscope.tokens.attention_selection import AttentionSelection
from octoscope.tokens.layout import TokenLayout


@dataclass(frozen=True, eq=False)
class StepAttention:
    """The attention of all layers and heads in one step, from the very forward that acted.

    `weights` and `layout` are there at once; `run` is made when first asked for, so that the loop does not wait for it.
    """

    # Steps since the episode began.
    step: int
    # As a run stores them, by name, each with the names of its axes.
    arrays: Mapping[str, tuple[np.ndarray, tuple[str, ...]]]
    layout: TokenLayout
    # Which rows are kept, and where; one for each stack, the one that acts last.
    selections: tuple[AttentionSelection, ...]
    # True where a token was masked out as a key.
    token_pad: Bool[np.ndarray, " token"]
    # False where a timestep is padded history.
    timestep_pad_mask: Bool[np.ndarray, " window"]
    # Which step each timestep of the window shows.
    frame_index: Int[np.ndarray, " window"]
    # By camera, one frame per timestep, as they came.
    frames: Mapping[str, tuple[np.ndarray, ...]]
    # The chunk of this step: normalised, and in the robot's units.
    actions: Float[np.ndarray, "horizon dim"]
    actions_robot: Float[np.ndarray, "horizon robot_dim"]
    # Makes all that a run says of itself.
    manifest: Callable[[], Mapping[str, Any]]

    @property
    def weights(self) -> dict[str, Float[np.ndarray, "layer head query key"]]:
        """By query group of the stack that acts, after mask and softmax; of the present timestep unless all were asked for.

        Of a stack that runs several times for one action, those of the last pass.
        """
        selection = self.selections[-1]
        arrays = {group: self.arrays[selection.array_name(group)] for group in selection.query_groups}
        return {group: rows[-1] if axes[0] == "pass" else rows for group, (rows, axes) in arrays.items()}

    @functools.cached_property
    def run(self) -> Run:
        """This step as a run in memory: for `attention_maps`, `attention_shares`, `render_sheet` with `step=` this step."""
        store = MemoryStore()
        with RunWriter(store, manifest=self.manifest()) as writer:
            self._write_frames(zarr.open_group(store))
            writer.append_step(self._arrays())
        return writer.read()

    def _arrays(self) -> dict[str, tuple[np.ndarray, tuple[str, ...]]]:
        return {
            **self.arrays,
            "token_pad": (self.token_pad, ("token",)),
            "timestep_pad_mask": (self.timestep_pad_mask, ("window",)),
            "frame_index": (self.frame_index, ("window",)),
            "actions": (self.actions, ("horizon", "dim")),
            "actions_robot": (self.actions_robot, ("horizon", "robot_dim")),
        }

    def _write_frames(self, group: zarr.Group) -> None:
        for camera, frames in self.frames.items():
            shape = frames[-1].shape
            # As long as the episode so far, but only the window's frames are written and take room.
            target = group.create_array(
                f"frames/{camera}",
                shape=(self.step + 1, *shape),
                chunks=(1, *shape),
                dtype=np.uint8,
                dimension_names=("time", f"height_{camera}", f"width_{camera}", "channel"),
            )
            for time, frame in zip(self.frame_index, frames, strict=True):
                target[int(time)] = frame
