"""Episodes under the words that a user gives, their frames turned or with red and blue exchanged."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from octoscope.episodes.episode import Episode
from octoscope.episodes.episode_source import EpisodeSource
from octoscope.episodes.frames.changes import changed_frames
from octoscope.episodes.frames.frames import Frames
from octoscope.episodes.options import ReadOptions

_TURNED = {"flip": "frames are turned top to bottom", "180": "frames are turned by 180 degrees"}


@dataclass(frozen=True)
class ChangedEpisodes:
    """The episodes of a source, each changed as the options say."""

    source: EpisodeSource
    options: ReadOptions

    @property
    def name(self) -> str:
        """Returns the dataset's name."""
        return self.source.name

    @property
    def split(self) -> str:
        """Returns the split that is read."""
        return self.source.split

    @property
    def splits(self) -> tuple[str, ...]:
        """Returns all splits that the dataset has."""
        return self.source.splits

    @property
    def cameras(self) -> Mapping[str, str]:
        """Returns the recorded image key by camera name."""
        return self.source.cameras

    def __len__(self) -> int:
        """Returns the number of episodes."""
        return len(self.source)

    def __getitem__(self, index: int) -> Episode:
        """Returns one episode, changed.

        Raises:
          EpisodeError: If there is no such episode, or it cannot be read.
        """
        return _changed(self.source[index], self.options)

    def __iter__(self) -> Iterator[Episode]:
        """Yields the episodes in order, one in memory at a time."""
        return (self[index] for index in range(len(self)))


def _changed(episode: Episode, options: ReadOptions) -> Episode:
    turn, swap = options.turn, options.swap_red_blue
    said = [_TURNED[turn]] if turn != "none" else []
    said += ["red and blue are exchanged"] if swap else []
    images = {
        camera: changed_frames(frames, turn=turn, swap_red_blue=swap) if said and isinstance(frames, Frames) else frames
        for camera, frames in episode.images.items()
    }
    remarks = (*episode.remarks, f"As asked, {' and '.join(said)}.") if said else episode.remarks
    instruction = episode.instruction if options.task is None else options.task
    return dataclasses.replace(episode, images=images, instruction=instruction, remarks=remarks)
