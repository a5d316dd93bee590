"""Runs of one policy over many episodes of one dataset, in one folder; read without jax, one run at a time.

FOLDER/collection.json        what all its runs are made from, and which episodes are wanted
FOLDER/runs/000012.zarr       the run of episode 12: whole, or beside it what there is of it (`.unfinished`)
FOLDER/failures/000013.json   why episode 13 could not be run; gone once it could
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octoscope.errors import OutputError, RunError
from octoscope.runs.durable_file import write_durably
from octoscope.runs.glance import glance_at
from octoscope.runs.manifest import differences

COLLECTION = "collection.json"
FORMAT = 1
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


@dataclass(frozen=True)
class Failure:
    """Why there is no run of an episode."""

    index: int
    # Name of the error, and what it said.
    error: str
    sentence: str


@dataclass(frozen=True, eq=False)
class Collection:
    """A folder of runs."""

    folder: Path
    # The same for every run: policy, dataset, what was given and kept; JSON.
    made_from: Mapping[str, Any]
    # Wanted, in rising order.
    episodes: tuple[int, ...]

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
        told: list[Failure] = []
        for path in sorted((self.folder / _FAILURES).glob("*.json")):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                content = json.loads(path.read_bytes())
                told.append(Failure(int(path.stem), str(content["error"]), str(content["sentence"])))
        return tuple(told)

    def note_failure(self, failure: Failure) -> None:
        """Lays down why an episode could not be run.

        Raises:
          OSError: If it cannot be written.
        """
        path = self.folder / _FAILURES / f"{failure.index:06}.json"
        path.parent.mkdir(exist_ok=True)
        content = {"error": failure.error, "sentence": failure.sentence}
        write_durably(path, json.dumps(content, indent=1).encode())

    def forget_failure(self, index: int) -> None:
        """Takes back that an episode could not be run."""
        (self.folder / _FAILURES / f"{index:06}.json").unlink(missing_ok=True)


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
        content = json.loads((folder / COLLECTION).read_bytes())
        number, made_from, episodes = content["format"], content["made_from"], content["episodes"]
        fits = isinstance(made_from, dict) and all(type(index) is int and index >= 0 for index in episodes)
    except FileNotFoundError:
        raise RunError(f"There is no collection in {folder} (it has no {COLLECTION}).") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{folder / COLLECTION} cannot be read ({type(error).__name__}). Make it anew.") from None
    if number != FORMAT or not fits:
        raise RunError(f"{folder / COLLECTION} is no collection of format {FORMAT}: get a newer octoscope.")
    return Collection(folder, made_from, tuple(sorted(set(episodes))))


def begin_collection(path: str | Path, made_from: Mapping[str, Any], episodes: Sequence[int]) -> Collection:
    """Returns the collection in a folder, begun or gone on with; episodes are added to those that were wanted before.

    Args:
      path: A new or empty folder, or a collection of the same.
      made_from: JSON: all that a run depends on besides its episode.
      episodes: Wanted.

    Raises:
      OutputError: If something else lies there, or a collection that was made from something else, saying what differs.
    """
    folder, wanted = Path(path), set(episodes)
    made_from = json.loads(json.dumps(made_from))
    try:
        if is_collection(folder):
            earlier = open_collection(folder)
            changes = differences(earlier.made_from, made_from)
            if changes:
                raise OutputError(
                    f"{folder} is a collection that was made otherwise: {'; '.join(changes)}. Give another -o."
                )
            wanted |= set(earlier.episodes)
            if wanted == set(earlier.episodes):
                return earlier
        elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(f"{folder} holds something else. Give an empty folder with -o.")
        (folder / _RUNS).mkdir(parents=True, exist_ok=True)
        content = {"format": FORMAT, "made_from": made_from, "episodes": sorted(wanted)}
        write_durably(folder / COLLECTION, json.dumps(content, indent=1).encode())
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written ({error.strerror or error}). Give another folder with -o."
        ) from None
    return Collection(folder, made_from, tuple(sorted(wanted)))
