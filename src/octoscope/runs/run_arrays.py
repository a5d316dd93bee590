"""Stored arrays of an opened run, read piece by piece: by the shard reader where their layout allows it, else by zarr."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr

from octoscope.errors import RunError
from octoscope.runs.chunk_files import HOW, STEP, rows_as_people_say
from octoscope.runs.recent_reads import RecentReads
from octoscope.runs.shard_reader import ShardReader
from octoscope.runs.stored_arrays import axis_names
from octoscope.runs.whole_chunks_store import folder_of, place_of


@dataclass(frozen=True)
class RunArrays:
    """Arrays of a run by name; what was opened or read lately is kept."""

    group: zarr.Group
    # The episode's steps that the run holds.
    steps: Sequence[int]

    def holds(self, name: str) -> bool:
        """Returns whether there is such an array.

        Raises:
          RunError: If it is damaged so that it cannot be told.
        """
        # zarr looks on disk each time, and pictures ask for each tile; arrays come and go with the run alone.
        if name not in self._held:
            try:
                self._held[name] = self._reader(name) is not None or name in self.group
            except Exception as error:  # whatever a changed zarr.json leads zarr to
                raise self._damaged(name, error) from None
        return self._held[name]

    def read(self, name: str, index: Any = slice(None)) -> np.ndarray:
        """Returns an array as it is, or a part of it.

        Args:
          name: Such as "actions" or "frames/primary".
          index: Of the first axis, or of the first and the second.

        Raises:
          RunError: If it is damaged: a file is gone, cut or changed, however long after the run was opened.
        """
        reader = self._reader(name)
        values = None if reader is None else reader.read(index)
        if values is not None:
            return values
        try:
            return np.asarray(self.array(name)[index])
        except RunError:
            raise
        except Exception as error:  # zarr's codecs raise their own kinds
            raise self._damaged(self._told(name, index), error) from None

    @functools.cached_property
    def _held(self) -> dict[str, bool]:
        return {}

    @functools.cached_property
    def recent(self) -> RecentReads:
        """Reads an array, or an entry of its first axis, and keeps it for who asks next."""
        return RecentReads(lambda name, index: np.array(self.read(name, slice(None) if index is None else index)))

    def array(self, name: str) -> zarr.Array:
        """Returns a stored array unread.

        Raises:
          RunError: If there is none.
        """
        # Opening an array takes as long as reading a small one.
        if name not in self._opened:
            try:
                array = self.group[name]
                assert isinstance(array, zarr.Array), f"{name} is an array in every run"
            except Exception as error:  # whatever a changed zarr.json leads zarr to
                raise self._damaged(name, error) from None
            self._opened[name] = array
        return self._opened[name]

    @functools.cached_property
    def _opened(self) -> dict[str, zarr.Array]:
        return {}

    @functools.cached_property
    def _readers(self) -> dict[str, ShardReader | None]:
        return {}

    def _reader(self, name: str) -> ShardReader | None:
        """Returns what reads an array without zarr; None in memory, and where the array is laid out in another way."""
        folder = folder_of(self.group.store)
        if folder is not None and name not in self._readers:
            self._readers[name] = ShardReader.open(folder / name)
        return None if folder is None else self._readers[name]

    def _damaged(self, what: str, error: Exception) -> RunError:
        return RunError(
            f"The run {place_of(self.group.store)} is damaged: {what} cannot be read ({type(error).__name__}: {error}). {HOW}"
        )

    def _told(self, name: str, index: Any) -> str:
        first = index[0] if isinstance(index, tuple) else index
        array = self._opened.get(name)
        if array is None or not isinstance(first, int):
            return name
        axis = (*axis_names(array), "")[0]
        return f"{name} at {rows_as_people_say(axis, range(first, first + 1), self.steps if axis == STEP else ())}"
