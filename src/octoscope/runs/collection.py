"""Runs of one policy over many episodes of one dataset, in one folder; read without jax, one run at a time.

FOLDER/collection.json        what all its runs are made from, and which episodes are wanted
FOLDER/runs/000012.zarr       the run of episode 12: whole, or beside it what there is of it (`.unfinished`)
FOLDER/failures/000013.json   why episode 13 could not be run; gone once it could
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octoscope.errors import OutputError, RunError
from octoscope.runs.episode_ledger import EpisodeLedger, Failure, begin_ledger, open_ledger
from octoscope.runs.glance import glance_at

COLLECTION = "collection.json"
_RUNS, _FAILURES = "runs", "failures"


@dataclass(frozen=True)
class Entry:
    """What a run of a collection is of."""

    index: int
    episode: str
    dataset: str
    # As the policy was given them; "" for none.
    instruction: str
    steps: int


@dataclass(frozen=True, eq=False)
class Collection:
    """A folder of runs."""

    folder: Path
    ledger: EpisodeLedger

    @property
    def made_from(self) -> Mapping[str, Any]:
        """The same for every run: policy, dataset, what was given and kept; JSON."""
        return self.ledger.made_from

    @property
    def episodes(self) -> tuple[int, ...]:
        """Those that are wanted, in rising order."""
        return self.ledger.episodes

    def path_of(self, index: int) -> Path:
        """Returns where the run of an episode lies, or will lie."""
        return self.folder / _RUNS / f"{index:06}.zarr"

    def holds(self, index: int) -> bool:
        """Returns whether the run of an episode is whole, from its own words and its files."""
        return glance_at(self.path_of(index)) is not None

    def run_paths(self) -> Iterator[Path]:
        """Yields the runs that are whole, by episode."""
        return (self.path_of(index) for index in self.episodes if self.holds(index))

    def entry(self, path: Path) -> Entry:
        """Returns what a run is of, without opening it.

        Raises:
          RunError: If it is not whole.
        """
        manifest = glance_at(path)
        if manifest is None:
            raise RunError(f"{path} is no whole run. `octoscope runs verify {path}` tells what is wrong with it.")
        names = ("episode", "dataset", "instruction")
        episode, dataset, words = (str(manifest.get(name) or "") for name in names)
        return Entry(int(path.stem), episode, dataset, words, len(manifest["steps"]))

    def missing(self) -> tuple[int, ...]:
        """Returns the episodes that are wanted and have no whole run."""
        return tuple(index for index in self.episodes if not self.holds(index))

    def failures(self) -> tuple[Failure, ...]:
        """Returns why episodes could not be run, as far as it is known."""
        return self.ledger.failures()


def is_collection(path: Path) -> bool:
    """Returns whether a folder is a collection."""
    return (path / COLLECTION).is_file()


def open_collection(path: str | Path) -> Collection:
    """Returns the collection in a folder.

    Raises:
      RunError: If there is none, or it is damaged or of another format.
    """
    folder = Path(path)
    try:
        return Collection(folder, open_ledger(folder / COLLECTION, folder / _FAILURES))
    except FileNotFoundError:
        raise RunError(f"There is no collection in {folder} (it has no {COLLECTION}).") from None


def begin_collection(path: str | Path, made_from: Mapping[str, Any], episodes: Sequence[int]) -> Collection:
    """Returns the collection in a folder, begun or gone on with; episodes are added to those that were wanted before.

    Args:
      path: A new or empty folder, or a collection of the same.
      made_from: JSON: all that a run depends on besides its episode.
      episodes: Wanted.

    Raises:
      OutputError: If something else lies there, or a collection that was made from something else, saying what differs.
    """
    folder = Path(path)
    try:
        if not is_collection(folder) and folder.exists() and not _may_become_one(folder):
            raise OutputError(f"{folder} holds something else. Give an empty folder with -o.")
        (folder / _RUNS).mkdir(parents=True, exist_ok=True)
        return Collection(folder, begin_ledger(folder / COLLECTION, folder / _FAILURES, made_from, episodes))
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written ({error.strerror or error}). Give another folder with -o."
        ) from None


def _may_become_one(folder: Path) -> bool:
    """Returns whether a folder is empty, or one that another part of the same work is beginning at this moment."""
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir() if not path.name.startswith(COLLECTION)}
    return not names or (names == {_RUNS} and not any((folder / _RUNS).iterdir()))
