"""Making the arrays of a run: in shards and chunks, every chunk written, each with a checksum of its content."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from octoscope.runs.chunk_sizes import step_chunks, whole_chunks
from octoscope.runs.step_journal import StepArrays

# Arrays that are there from the beginning, read slice by slice: by name, the array and the names of its axes.
WholeArrays = Mapping[str, tuple[np.ndarray | zarr.Array, tuple[str, ...]]]
_ATTENTION, _ENCODINGS = "attention/", "encodings/"


@contextlib.contextmanager
def every_chunk() -> Iterator[None]:
    """Lets chunks of zeros be written as well: one that is missing was lost."""
    with zarr.config.set({"array.write_empty_chunks": True}):
        yield


@every_chunk()
def create_whole(group: zarr.Group, whole: WholeArrays, *, level: int) -> None:
    """Writes the arrays that are there from the beginning."""
    for name, (array, dimensions) in whole.items():
        chunks, shards = whole_chunks(array.shape, array.dtype.itemsize)
        target = _create_array(group, name, array.shape, array.dtype, chunks, shards, dimensions, level)
        for rows in file_rows(target):
            target[rows] = np.asarray(array[rows])


def sharded_bytes(arrays: StepArrays) -> int:
    """Returns what the arrays of one step that lie in shards take together."""
    return sum(array.nbytes for name, (array, _) in arrays.items() if name.startswith((_ATTENTION, _ENCODINGS)))


def create_step_arrays(group: zarr.Group, first: StepArrays, *, steps: int, shard_steps: int, level: int) -> bool:
    """Makes those arrays that come step by step and are not there yet; returns whether there were such.

    Args:
      group: Of the run.
      first: A step.
      steps: Of the whole run.
      shard_steps: Steps that are written at once.
      level: Of the compression.
    """
    missing = {name: step for name, step in first.items() if name not in group}
    for name, (array, dimensions) in missing.items():
        if "/" in name:
            # Before the array, which would else be there without its group after a kill in between.
            group.require_group(name.rpartition("/")[0])
        split = shard_steps if name.startswith((_ATTENTION, _ENCODINGS)) else None
        layered = name.startswith(_ATTENTION)
        chunks, shards = step_chunks(array.shape, steps=steps, shard_steps=split, layered=layered)
        _create_array(group, name, (steps, *array.shape), array.dtype, chunks, shards, ("step", *dimensions), level)
    return bool(missing)


@every_chunk()
def write_steps(group: zarr.Group, name: str, rows: slice, values: Sequence[np.ndarray], folder: Path | None) -> None:
    """Writes some steps of an array, and makes sure of the file before anybody forgets them elsewhere.

    Args:
      group: Of the run.
      name: Of the array.
      rows: Which of its entries.
      values: One array for each.
      folder: Where the run lies; None in memory.
    """
    target = group[name]
    assert isinstance(target, zarr.Array), f"{name} was created as an array"
    target[rows] = np.stack(values)
    if folder is not None:
        with file_of(folder, target, name, rows.start).open("rb") as file:
            os.fsync(file.fileno())


def file_rows(array: zarr.Array) -> Iterator[slice]:
    """Yields which entries of the first axis lie in each file, one after another."""
    rows = (array.shards or array.chunks)[0]
    for start in range(0, array.shape[0], rows):
        yield slice(start, min(start + rows, array.shape[0]))


def file_of(folder: Path, array: zarr.Array, name: str, row: int) -> Path:
    """Returns the file of an array that is cut along its first axis alone, in which an entry of that axis lies."""
    at = row // (array.shards or array.chunks)[0]
    key = array.metadata.encode_chunk_key((at, *[0] * (array.ndim - 1)))  # pyright: ignore[reportAttributeAccessIssue]  # zarr v3 has it
    return folder / name / key


def _create_array(
    group: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype,
    chunks: tuple[int, ...],
    shards: tuple[int, ...] | None,
    dimensions: tuple[str, ...],
    level: int,
) -> zarr.Array:
    return group.create_array(
        name,
        shape=shape,
        chunks=chunks,
        shards=shards,
        dtype=dtype,
        # The checksum finds every changed bit that would change a value.
        compressors=ZstdCodec(level=level, checksum=True),
        dimension_names=dimensions,
    )
