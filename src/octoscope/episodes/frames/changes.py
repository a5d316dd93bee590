"""Frames that are turned, or whose red and blue are exchanged, as they are decoded."""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.episodes.frames.frames import Frames


def changed_frames(frames: Frames, *, turn: str = "none", swap_red_blue: bool = False) -> Frames:
    """Returns the same frames seen differently.

    Args:
      frames: Of one camera.
      turn: "none"; "flip" reverses rows, top to bottom; "180" rows and columns.
      swap_red_blue: Exchange the first and the last channel.

    >>> red = Frames(lambda start, stop: np.full((stop - start, 2, 2, 3), [255, 0, 0], np.uint8), shape=(1, 2, 2, 3))
    >>> changed_frames(red, swap_red_blue=True)[0, 0, 0]
    array([  0,   0, 255], dtype=uint8)
    """
    return Frames(_Change(frames, turn, swap_red_blue), shape=frames.shape)


@dataclass(frozen=True, eq=False)
class _Change:
    frames: Frames
    turn: str
    swap_red_blue: bool

    def __call__(self, start: int, stop: int) -> UInt8[np.ndarray, "frame height width 3"]:
        changed = self.frames[start:stop]
        if self.turn in ("flip", "180"):
            changed = changed[:, ::-1]
        if self.turn == "180":
            changed = changed[:, :, ::-1]
        return np.ascontiguousarray(changed[..., ::-1] if self.swap_red_blue else changed)
