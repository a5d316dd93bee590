"""What every reader gives: the episodes of one split as a list, which reads one when it is indexed."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from octoscope.episodes.episode import Episode
from octoscope.errors import EpisodeError


@dataclass(frozen=True)
class EpisodeSource:
    """The episodes of one split; what differs between formats is how one is read."""

    # The dataset's name.
    name: str
    # The split that is read, and all there are.
    split: str
    splits: tuple[str, ...]
    # Recorded image key by camera name: {"primary": "image_0"}.
    cameras: Mapping[str, str]
    # How many episodes there are.
    count: int
    # Reads the episode at a position; name, dataset and remarks of the list are filled in here.
    read: Callable[[int], Episode] = field(repr=False)
    # What holds for every episode, a sentence each.
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Returns the number of episodes."""
        return self.count

    def __getitem__(self, index: int) -> Episode:
        """Returns one episode, read from disk anew each time.

        Raises:
          EpisodeError: If there is no such episode, or it cannot be read.
        """
        name = f"{self.name}/{self.split}/{index}"
        if not 0 <= index < self.count:
            range_told = f"the episodes are 0..{self.count - 1}" if self.count else "the split holds no episodes"
            raise EpisodeError(f"no episode {name}: {range_told}.")
        try:
            episode = self.read(index)
        except EpisodeError as error:
            raise EpisodeError(f"{name}: {error}") from error
        return dataclasses.replace(episode, name=name, dataset=self.name, remarks=(*self.remarks, *episode.remarks))

    def __iter__(self) -> Iterator[Episode]:
        """Yields the episodes in order, one in memory at a time."""
        return (self[index] for index in range(len(self)))
