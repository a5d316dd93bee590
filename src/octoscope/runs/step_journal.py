"""The steps of an unfinished run that do not fill a shard yet, one file each, so that a killed job has lost nothing."""

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

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
        """Opens the journal in a folder, which is made when missing."""
        self._folder = folder
        folder.mkdir(exist_ok=True)

    @property
    def flushed(self) -> int:
        """Steps that lie in the run's arrays."""
        path = self._folder / _FLUSHED
        return int(json.loads(path.read_text())) if path.exists() else 0

    def add(self, index: int, arrays: StepArrays) -> None:
        """Writes a step; it is there whole or not at all."""
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

    def pending(self) -> list[StepArrays]:
        """Returns the steps after the flushed ones, up to the first that is missing or damaged."""
        steps: list[StepArrays] = []
        while (step := self._read(self.flushed + len(steps))) is not None:
            steps.append(step)
        return steps

    def flush(self, count: int) -> None:
        """Notes that the first `count` steps lie in the run's arrays, and forgets them here."""
        part = self._folder / "part.json"
        part.write_text(json.dumps(count))
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(self._folder / _FLUSHED)
        for path in self._folder.glob("*.npz"):
            if path.stem.isdigit() and int(path.stem) < count:
                path.unlink()

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:06d}.npz"

    def _read(self, index: int) -> StepArrays | None:
        try:
            # Opened here: NumPy leaves the file of a damaged archive open.
            with self._path(index).open("rb") as file, np.load(file) as stored:
                dimensions = json.loads(str(stored[_DIMENSIONS]))
                return {name: (stored[name], tuple(axes)) for name, axes in dimensions.items()}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            return None
