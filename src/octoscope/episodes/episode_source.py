"""What every reader gives: the episodes of one split, read when asked for."""

from collections.abc import Iterator, Mapping
from typing import Protocol, runtime_checkable

from octoscope.episodes.episode import Episode


@runtime_checkable
class EpisodeSource(Protocol):
    """The episodes of one split of a dataset, read when asked for."""

    @property
    def name(self) -> str:
        """Returns the dataset's name."""
        ...

    @property
    def split(self) -> str:
        """Returns the split that is read."""
        ...

    @property
    def splits(self) -> tuple[str, ...]:
        """Returns all splits that the dataset has."""
        ...

    @property
    def cameras(self) -> Mapping[str, str]:
        """Returns the recorded image key by camera name, {"primary": "image_0"}."""
        ...

    def __len__(self) -> int:
        """Returns the number of episodes."""
        ...

    def __getitem__(self, index: int) -> Episode:
        """Returns one episode; an index outside 0..len - 1 raises EpisodeError."""
        ...

    def __iter__(self) -> Iterator[Episode]:
        """Yields the episodes in order, one in memory at a time."""
        ...
