"""A page of a dataset's episodes: steps, sizes, words and a thumbnail each, and what is wrong where one cannot be read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.episodes.episode import Episode
from octoscope.episodes.episode_source import EpisodeSource
from octoscope.errors import EpisodeError, SelectionError


@dataclass(frozen=True)
class EpisodeEntry:
    """What a list says of one episode."""

    # Its index in the split.
    index: int
    steps: int = 0
    # Height and width of each camera's frames, by camera name.
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    # "" where the recording has none.
    instruction: str = ""
    # The first frame of each camera, by camera name.
    thumbnails: Mapping[str, UInt8[np.ndarray, "_ _ 3"]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    # Why it cannot be read, or not be used; "" where it can.
    problem: str = ""


def list_episodes(
    source: EpisodeSource,
    *,
    page: int = 1,
    per_page: int = 20,
    thumbnails: bool = True,
    problem_of: Callable[[Episode], str] = lambda episode: "",
) -> list[EpisodeEntry]:
    """Returns the entries of one page; only its episodes are read, and of their frames only the first.

    Args:
      source: The episodes.
      page: From 1.
      per_page: Episodes on a page.
      thumbnails: Whether to decode a frame of each camera.
      problem_of: Asked of each episode that can be read, such as whether a policy can run on it.

    Raises:
      SelectionError: If there is no such page.
    """
    pages = max(1, -(-len(source) // max(1, per_page)))
    if per_page < 1 or not 1 <= page <= pages:
        raise SelectionError(
            f"`page` must be in 1..{pages}, with 1 or more episodes on each, got {page} of {per_page} each."
        )
    indices = range((page - 1) * per_page, min(page * per_page, len(source)))
    return [_entry(source, index, thumbnails, problem_of) for index in indices]


def _entry(source: EpisodeSource, index: int, thumbnails: bool, problem_of: Callable[[Episode], str]) -> EpisodeEntry:
    try:
        episode = source[index]
        first = {camera: np.asarray(frames[0]) for camera, frames in episode.images.items() if thumbnails}
    except EpisodeError as error:
        return EpisodeEntry(index, problem=str(error))
    sizes = {camera: (frames.shape[1], frames.shape[2]) for camera, frames in episode.images.items()}
    return EpisodeEntry(index, len(episode), sizes, episode.instruction, first, episode.remarks, problem_of(episode))
