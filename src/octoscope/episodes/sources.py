"""Episodes from whatever lies at a path: the one way in, for the command line and for Python."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from octoscope.embedded.files import EMBEDDED, episodes_directory
from octoscope.episodes.episode import Episode
from octoscope.episodes.rlds import open_rlds
from octoscope.errors import EpisodeError
from octoscope.user_path import user_path

# Each gives the episodes at a path, or None when what lies there is not for it; the first that gives them wins.
_READERS = (open_rlds,)
_EXPECTED = "an RLDS dataset (a directory with dataset_info.json, or a folder above it)"
_LISTED = 5


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


def open_episodes(
    path: str | os.PathLike[str], *, split: str | None = None, cameras: Mapping[str, str] | None = None
) -> EpisodeSource:
    """Returns the episodes of the dataset at `path`; nothing but its description is read yet.

    Args:
      path: A dataset, or "demo" for the embedded one (a folder of that name is "./demo"); "drawn" for flat shapes, made for tests.
      split: The split to read; "train" where it exists, else the only one.
      cameras: Recorded image key by camera name, {"primary": "image_0"}; without it, the known choice for the
        dataset, else keys named like cameras, else the only image.

    Raises:
      EpisodeError: If nothing readable lies at the path, or the split or a camera is unknown.

    Example:
      ```python
      episodes = open_episodes("data/bridge_dataset", split="val")
      frames = episodes[3].images["primary"]  # time height width 3
      ```
    """
    location = _embedded_directory(str(path)) if path in EMBEDDED else user_path(path)
    if not location.exists():
        raise EpisodeError(f"{location}: there is no such file or directory. Give the path of {_EXPECTED}, or 'demo'.")
    for open_reader in _READERS:
        source = open_reader(location, split=split, cameras=cameras)
        if source is not None:
            _check_not_empty(source)
            return source
    raise EpisodeError(f"{location}: expected {_EXPECTED}, found {_describe(location)}.")


def _check_not_empty(source: EpisodeSource) -> None:
    if not len(source):
        others = [split for split in source.splits if split != source.split]
        choice = f"Choose another split with --split: {', '.join(others)}." if others else "Choose another dataset."
        raise EpisodeError(f"{source.name} has no episodes in its split '{source.split}'. {choice}")


def _embedded_directory(name: str) -> Path:
    directory = episodes_directory(name)
    if not directory.is_dir():
        raise EpisodeError(
            f"the {name} episodes are missing from this installation. Install octoscope again, or give a dataset's path."
        )
    return directory


def _describe(location: Path) -> str:
    if not location.is_dir():
        return f"a file of {location.stat().st_size} bytes; if it belongs to a dataset, give the directory it lies in"
    names = sorted(entry.name + "/" * entry.is_dir() for entry in location.iterdir())
    if not names:
        return "an empty directory"
    rest = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"a directory with {', '.join(names[:_LISTED])}{rest}"
