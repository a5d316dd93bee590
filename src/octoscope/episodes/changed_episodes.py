"""Episodes under the words that a user gives, their frames turned or with red and blue exchanged."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.episodes.episode import Episode
from octoscope.episodes.episode_source import EpisodeSource
from octoscope.episodes.frames.frames import Frames
from octoscope.episodes.options import ReadOptions

_TURNED = {"flip": "frames are turned top to bottom", "180": "frames are turned by 180 degrees"}


def changed_episodes(source: EpisodeSource, options: ReadOptions) -> EpisodeSource:
    """Returns the episodes of a source, each changed as the options say when it is read."""
    return dataclasses.replace(source, read=_ChangedEpisodes(source.read, options))


@dataclass(frozen=True)
class _ChangedEpisodes:
    read: Callable[[int], Episode]
    options: ReadOptions

    def __call__(self, position: int) -> Episode:
        episode, turn, swap = self.read(position), self.options.turn, self.options.swap_red_blue
        said = [_TURNED[turn]] if turn != "none" else []
        said += ["red and blue are exchanged"] if swap else []
        images = {
            camera: _changed_frames(frames, turn=turn, swap_red_blue=swap)
            if said and isinstance(frames, Frames)
            else frames
            for camera, frames in episode.images.items()
        }
        remarks = (*episode.remarks, f"As asked, {' and '.join(said)}.") if said else episode.remarks
        instruction = episode.instruction if self.options.task is None else self.options.task
        return dataclasses.replace(episode, images=images, instruction=instruction, remarks=remarks)


def _changed_frames(frames: Frames, *, turn: str = "none", swap_red_blue: bool = False) -> Frames:
    """Returns the same frames seen differently.

    Args:
      frames: Of one camera.
      turn: "none"; "flip" reverses rows, top to bottom; "180" rows and columns.
      swap_red_blue: Exchange the first and the last channel.

    >>> red = Frames(lambda start, stop: np.full((stop - start, 2, 2, 3), [255, 0, 0], np.uint8), shape=(1, 2, 2, 3))
    >>> _changed_frames(red, swap_red_blue=True)[0, 0, 0]
    array([  0,   0, 255], dtype=uint8)
    """
    return Frames(_Change(frames, turn, swap_red_blue), shape=frames.shape)


@dataclass(frozen=True, eq=False)
class _Change:
    frames: Frames
    turn: str
    swap_red_blue: bool

    def __call__(self, start: int, stop: int) -> UInt8[np.ndarray, "frame height width 3"]:
        return turned(self.frames[start:stop], turn=self.turn, swap_red_blue=self.swap_red_blue)


def turned(
    frames: UInt8[np.ndarray, "frame height width 3"], *, turn: str = "none", swap_red_blue: bool = False
) -> UInt8[np.ndarray, "frame height width 3"]:
    """Returns frames or pictures seen differently.

    Args:
      frames: One or more.
      turn: "none"; "flip" reverses rows, top to bottom; "180" rows and columns.
      swap_red_blue: Exchange the first and the last channel.

    >>> turned(np.array([[[[1, 2, 3]], [[4, 5, 6]]]], np.uint8), turn="flip", swap_red_blue=True)[0, :, 0].tolist()
    [[6, 5, 4], [3, 2, 1]]
    """
    if turn in ("flip", "180"):
        frames = frames[:, ::-1]
    if turn == "180":
        frames = frames[:, :, ::-1]
    return np.ascontiguousarray(frames[..., ::-1] if swap_red_blue else frames)
