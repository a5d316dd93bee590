"""What every reader gives: the episodes of one split as a list, which reads one when it is indexed."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import overload

from octoscope.episodes.episode import Episode
from octoscope.errors import EpisodeError
from octoscope.escaping.html_card import html_card
from octoscope.escaping.visible import visible


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        """Returns one line."""
        return f"{self.count} episodes of '{visible(self.name)}' ({visible(self.split)}); cameras {', '.join(self.cameras) or 'none'}"

    def _repr_html_(self) -> str:
        first = self[0] if self.count else None
        frames = [] if first is None else [images[0] for images in first.images.values() if len(images)]
        cameras = ", ".join(f"{name} ({key})" for name, key in self.cameras.items())
        facts = {
            "episodes": str(self.count),
            "split": f"{self.split} of {', '.join(self.splits)}",
            "cameras": cameras,
            "first": "" if first is None else f'{len(first)} steps, "{first.instruction}"',
            "remarks": " ".join(self.remarks),
        }
        return html_card(f"Episodes of {self.name}", facts, frames)

    def __len__(self) -> int:
        """Returns the number of episodes."""
        return self.count

    @overload
    def __getitem__(self, index: int) -> Episode: ...

    @overload
    def __getitem__(self, index: slice) -> list[Episode]: ...

    def __getitem__(self, index: int | slice) -> Episode | list[Episode]:
        """Returns one episode, counted from the end where it is negative, or several; each is read from disk anew each time.

        Raises:
          EpisodeError: If there is no such episode, or it cannot be read.
        """
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self.count))]
        index = index + self.count if -self.count <= index < 0 else index
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
