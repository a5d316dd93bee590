"""The files that an array of a run is kept in, and what each must hold; nothing here reads an array."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

METADATA = "zarr.json"
CHECKSUM_BYTES = 4
STEP = "step"
HOW = "Restore it from a copy, or make the run anew."


@dataclass(frozen=True)
class ChunkFiles:
    """How an array is cut into files, and a shard into chunks."""

    shape: tuple[int, ...]
    # Entries along each axis in one file.
    file_shape: tuple[int, ...]
    # Of a shard; None where a file is one chunk.
    chunk_shape: tuple[int, ...] | None
    # Name of the first axis; "" for none.
    axis: str

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> "ChunkFiles":
        """Reads an array's zarr.json, which zarr has opened before."""
        codec = metadata["codecs"][0]
        sharded = codec["name"] == "sharding_indexed" and codec["configuration"].get("index_location", "end") == "end"
        names = metadata.get("dimension_names") or [""]
        return cls(
            tuple(metadata["shape"]),
            tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"]),
            tuple(codec["configuration"]["chunk_shape"]) if sharded else None,
            names[0] or "",
        )

    @property
    def count(self) -> int:
        """Files of the whole array."""
        return math.prod(self._grid)

    def keys(self) -> Iterator[str]:
        """Yields the name of every file, below the array's folder: "c/0/1".

        >>> list(ChunkFiles((5, 2), (3, 2), None, "step").keys())
        ['c/0/0', 'c/1/0']
        """
        for index in itertools.product(*map(range, self._grid)):
            yield "/".join(("c", *map(str, index)))

    def rows(self, key: str) -> range:
        """Returns which entries of the first axis lie in a file.

        >>> ChunkFiles((5, 2), (3, 2), None, "step").rows("c/1/0")
        range(3, 5)
        """
        if not self.shape:
            return range(1)
        start = file_index(key)[0] * self.file_shape[0]
        return range(start, min(start + self.file_shape[0], self.shape[0]))

    @property
    def index_bytes(self) -> int:
        """Bytes of a shard's index, at its end; 0 where a file is one chunk."""
        return 0 if self.chunk_shape is None else 16 * math.prod(self.chunks_per_file) + CHECKSUM_BYTES

    @property
    def _grid(self) -> tuple[int, ...]:
        return tuple(math.ceil(size / width) for size, width in zip(self.shape, self.file_shape, strict=True))

    @property
    def chunks_per_file(self) -> tuple[int, ...]:
        """Chunks along each axis of a shard."""
        return tuple(file // chunk for file, chunk in zip(self.file_shape, self.chunk_shape or (), strict=True))


def rows_as_people_say(axis: str, rows: range, steps: Sequence[int]) -> str:
    """Returns which steps of the episode, or entries of another axis, `rows` stands for.

    >>> rows_as_people_say("step", range(1, 3), [0, 4, 9]), rows_as_people_say("time", range(0, 12), [0, 4, 9])
    ('steps 4..9', 'time 0..11')
    """
    name, first, last = axis or "entry", rows.start, max(rows.start, rows.stop - 1)
    if axis == STEP and last < len(steps):
        first, last = steps[first], steps[last]
    if first == last:
        return f"{name} {first}"
    return f"{'steps' if axis == STEP else name} {first}..{last}"


def missing_files(folder: Path, name: str, files: ChunkFiles, steps: Sequence[int]) -> str | None:
    """Returns the sentence that says which files of an array are missing or empty; None when all are there.

    Costs one look at each file's size.
    """
    gone = [key for key in files.keys() if not _has_content(folder / name / key)]  # noqa: SIM118  # no mapping
    if not gone:
        return None
    rows = files.rows(gone[0])
    for key in gone[1:]:
        rows = range(min(rows.start, files.rows(key).start), max(rows.stop, files.rows(key).stop))
    told = rows_as_people_say(files.axis, rows, steps)
    return f"{name}: {len(gone)} of {files.count} files are missing or empty, within {told}"


def never_zero(name: str) -> bool:
    """Returns whether a whole chunk of an array cannot be zeros: rows of attention sum to 1."""
    return name.startswith("attention/")


def file_index(key: str) -> tuple[int, ...]:
    """Returns the place of a file in the grid of files: (0, 1) of "c/0/1"."""
    return tuple(int(part) for part in key.split("/")[1:])


def _has_content(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:
        return False
