"""Which episodes are wanted of a long work, what it is made from, and why some could not be done; the work itself lies beside it."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octoscope.errors import OutputError, RunError
from octoscope.runs.durable_file import write_durably
from octoscope.runs.manifest import differences

FORMAT = 1


@dataclass(frozen=True)
class Failure:
    """Why nothing is there of an episode."""

    index: int
    # Name of the error, and what it said.
    error: str
    sentence: str


@dataclass(frozen=True, eq=False)
class EpisodeLedger:
    """A file that names the episodes, and a folder with a file for each that failed."""

    file: Path
    failures_folder: Path
    # The same for every episode: policy, dataset, what was given and asked; JSON.
    made_from: Mapping[str, Any]
    # Wanted, in rising order.
    episodes: tuple[int, ...]

    def failures(self) -> tuple[Failure, ...]:
        """Returns why episodes could not be done, as far as it is known."""
        told: list[Failure] = []
        for path in sorted(self.failures_folder.glob("*.json")):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                content = json.loads(path.read_bytes())
                told.append(Failure(int(path.stem), str(content["error"]), str(content["sentence"])))
        return tuple(told)

    def note_failure(self, failure: Failure) -> None:
        """Lays down why an episode could not be done.

        Raises:
          OSError: If it cannot be written.
        """
        path = self._note(failure.index)
        path.parent.mkdir(exist_ok=True)
        content = {"error": failure.error, "sentence": failure.sentence}
        write_durably(path, json.dumps(content, indent=1).encode())

    def forget_failure(self, index: int) -> None:
        """Takes back that an episode could not be done."""
        self._note(index).unlink(missing_ok=True)

    def _note(self, index: int) -> Path:
        return self.failures_folder / f"{index:06}.json"


def open_ledger(file: Path, failures_folder: Path) -> EpisodeLedger:
    """Returns the ledger in a file.

    Raises:
      FileNotFoundError: If there is none.
      RunError: If it is damaged or of another format.
    """
    try:
        content = json.loads(file.read_bytes())
        number, made_from, episodes = content["format"], content["made_from"], content["episodes"]
        fits = isinstance(made_from, dict) and all(type(index) is int and index >= 0 for index in episodes)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{file} cannot be read ({type(error).__name__}). Make it anew.") from None
    if number != FORMAT or not fits:
        raise RunError(f"{file} is no collection of format {FORMAT}: get a newer octoscope.")
    return EpisodeLedger(file, failures_folder, made_from, tuple(sorted(set(episodes))))


def begin_ledger(
    file: Path, failures_folder: Path, made_from: Mapping[str, Any], episodes: Sequence[int]
) -> EpisodeLedger:
    """Returns the ledger in a file, begun or gone on with; episodes are added to those that were wanted before.

    Args:
      file: In a folder that is made where it is missing.
      failures_folder: Beside it.
      made_from: JSON: all that the work depends on besides the episodes.
      episodes: Wanted.

    Raises:
      OutputError: If one lies there that was made from something else, saying what differs.
      OSError: If it cannot be written.
    """
    wanted, made_from = set(episodes), json.loads(json.dumps(made_from))
    with contextlib.suppress(FileNotFoundError):
        earlier = open_ledger(file, failures_folder)
        changes = differences(earlier.made_from, made_from)
        if changes:
            raise OutputError(
                f"{file.parent} is a collection that was made otherwise: {'; '.join(changes)}. Give another -o."
            )
        if wanted <= set(earlier.episodes):
            return earlier
        wanted |= set(earlier.episodes)
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"format": FORMAT, "made_from": made_from, "episodes": sorted(wanted)}
    write_durably(file, json.dumps(content, indent=1).encode())
    return EpisodeLedger(file, failures_folder, made_from, tuple(sorted(wanted)))
