"""The steps of an unfinished run that do not fill a shard yet, one file each, so that a killed job has lost nothing."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from octoscope.runs.durable_file import write_durably

# One step: by name, an array and the names of its axes without the step's.
StepArrays = Mapping[str, tuple[np.ndarray, tuple[str, ...]]]
_DIMENSIONS = "dimensions"
_FLUSHED = "flushed.json"


class StepJournal:
    """Steps on their way into shards; `flushed` tells how many are there for good.

    Files are not forced to the disk one by one (that would take longer than a step): a kill loses nothing, a power cut at most
    the steps since the last full shard, which are then made again.
    """

    def __init__(self, folder: Path) -> None:
        """Takes the folder of the journal, which is made with the first entry."""
        self._folder = folder

    @property
    def flushed(self) -> int | None:
        """Steps that lie in the run's arrays, as was noted last; None when the note is lost."""
        try:
            count = json.loads((self._folder / _FLUSHED).read_bytes())
        except FileNotFoundError:
            return 0 if self.lowest == 0 else None
        except (OSError, ValueError, RecursionError):
            return None
        return count if type(count) is int and count >= 0 else None

    @property
    def lowest(self) -> int | None:
        """The first step that has a file here; None when none has."""
        return min((int(path.stem) for path in self._folder.glob("*.npz") if path.stem.isdecimal()), default=None)

    def count_from(self, first: int) -> int:
        """Returns how many files of steps follow one another from `first` on, without opening them."""
        count = 0
        while self._path(first + count).exists():
            count += 1
        return count

    def add(self, index: int, arrays: StepArrays) -> None:
        """Writes a step; it is there whole or not at all."""
        self._folder.mkdir(exist_ok=True)
        dimensions = json.dumps({name: axes for name, (_, axes) in arrays.items()})
        part = self._folder / "part.npz"
        try:
            with part.open("wb") as file:
                members: dict[str, Any] = {name: array for name, (array, _) in arrays.items()}
                np.savez(file, **{_DIMENSIONS: np.array(dimensions)}, **members)
            part.replace(self._path(index))
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def pending(self, flushed: int = 0) -> list[StepArrays]:
        """Returns the steps after the flushed ones, up to the first that is missing or damaged."""
        steps: list[StepArrays] = []
        while (step := self._read(flushed + len(steps))) is not None:
            # A step of other arrays than the first is none of this run.
            if steps and step.keys() != steps[0].keys():
                break
            steps.append(step)
        return steps

    def flush(self, count: int) -> None:
        """Notes that the first `count` steps lie in the run's arrays, and forgets them here."""
        self._folder.mkdir(exist_ok=True)
        write_durably(self._folder / _FLUSHED, json.dumps(count).encode())
        for path in self._folder.glob("*.npz"):
            if path.stem.isdecimal() and int(path.stem) < count:
                path.unlink()

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:06d}.npz"

    def _read(self, index: int) -> StepArrays | None:
        try:
            # Opened here: NumPy leaves the file of a damaged archive open.
            with self._path(index).open("rb") as file:
                with zipfile.ZipFile(file) as archive:
                    # NumPy stops reading before the checksum is compared where a header says that an array is shorter.
                    if archive.testzip() is not None:
                        return None
                file.seek(0)
                with np.load(file) as stored:
                    dimensions = json.loads(str(stored[_DIMENSIONS]))
                    return {name: (stored[name], tuple(axes)) for name, axes in dimensions.items()}
        # Whatever is wrong with it, the step is made again.
        except Exception:
            return None
