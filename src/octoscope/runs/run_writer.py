"""Writing a run, step by step: what is written is on disk, and memory does not grow with the episode."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store

from octoscope.runs.run import FORMAT, Run


class RunWriter:
    """Takes the manifest and the frames at once, then one step after another; finished only when `with` ends well."""

    def __init__(self, store: str | Path | Store, *, manifest: Mapping[str, Any]) -> None:
        """Starts a run.

        Args:
          store: A path that does not exist yet, or a zarr store (`zarr.storage.MemoryStore()` keeps the run in memory).
          manifest: All that a run says of itself; must hold "steps", "query_groups" and "layout".
        """
        self._store = store
        self._group = zarr.create_group(store, zarr_format=3)
        self._group.attrs.update({**manifest, "format": FORMAT, "complete": False})
        self._steps = len(manifest["steps"])
        self._written = 0

    def __enter__(self) -> "RunWriter":
        """Returns the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Marks the run finished; after an error a run at a path is removed."""
        if kind is not None:
            if isinstance(self._store, str | Path):
                shutil.rmtree(self._store, ignore_errors=True)
        else:
            assert self._written == self._steps, f"{self._written} of {self._steps} steps were written"
            self._group.attrs["complete"] = True

    def write_whole(self, name: str, array: np.ndarray, dimensions: tuple[str, ...]) -> None:
        """Writes an array that does not come step by step, one chunk per entry of its first axis."""
        chunks = (1, *array.shape[1:]) if array.ndim > 2 else array.shape
        target = self._group.create_array(
            name, shape=array.shape, chunks=chunks, dtype=array.dtype, dimension_names=dimensions
        )
        target[:] = array

    def append_step(self, arrays: Mapping[str, tuple[np.ndarray, tuple[str, ...]]]) -> None:
        """Writes one step: for each name its array and the names of its axes, without the step's."""
        for name, (array, dimensions) in arrays.items():
            if self._written == 0:
                self._group.create_array(
                    name,
                    shape=(self._steps, *array.shape),
                    chunks=(1, *array.shape),
                    dtype=array.dtype,
                    dimension_names=("step", *dimensions),
                )
            target = self._group[name]
            assert isinstance(target, zarr.Array), f"{name} was created as an array"
            target[self._written] = array
        self._written += 1

    def read(self) -> Run:
        """Returns the run, once it is finished."""
        return Run.open(self._store)
