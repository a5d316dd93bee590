"""The files that an array of a run is kept in, what each must hold, and a store that refuses to read what is not there.

zarr takes a chunk that is missing for one of zeros. A run has every chunk written, so here a missing one is damage: a file that is gone
or empty, and a chunk that the index of a shard does not know.
"""

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from zarr.abc.store import ByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore, WrapperStore

from octoscope.errors import RunError

METADATA = "zarr.json"
_CHUNK = re.compile(r"(?P<array>.+)/(?P<key>c(?:/\d+)*)")
# What the index of a shard says of a chunk that was not written: offset and size.
_ABSENT = 2**64 - 1
_CHECKSUM_BYTES = 4
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
        start = _index(key)[0] * self.file_shape[0]
        return range(start, min(start + self.file_shape[0], self.shape[0]))

    @property
    def index_bytes(self) -> int:
        """Bytes of a shard's index, at its end; 0 where a file is one chunk."""
        return 0 if self.chunk_shape is None else 16 * math.prod(self._chunks_per_file) + _CHECKSUM_BYTES

    def lacks_chunks(self, key: str, end: bytes) -> bool:
        """Returns whether a shard, told from its last bytes, is cut or lacks a chunk that lies within the array."""
        if self.chunk_shape is None:
            return False
        if len(end) < self.index_bytes:
            return True
        index = np.frombuffer(end[-self.index_bytes : -_CHECKSUM_BYTES], "<u8").reshape(*self._chunks_per_file, 2)
        within = [
            math.ceil(min(per_file, size - at * per_file) / chunk)
            for at, per_file, size, chunk in zip(
                _index(key), self.file_shape, self.shape, self.chunk_shape, strict=True
            )
        ]
        return bool((index[tuple(map(slice, within))] == _ABSENT).any())

    @property
    def _grid(self) -> tuple[int, ...]:
        return tuple(math.ceil(size / width) for size, width in zip(self.shape, self.file_shape, strict=True))

    @property
    def _chunks_per_file(self) -> tuple[int, ...]:
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


class WholeChunksStore(WrapperStore[Store]):
    """A store that raises where zarr would read zeros for a chunk that is not there."""

    def __init__(self, store: Store, *, steps: Sequence[int] = (), sparse: bool = False) -> None:
        """Wraps a store.

        Args:
          store: It is only read.
          steps: What the entries of the axis "step" stand for, for messages.
          sparse: Whether chunks of zeros were left out, as format 1 did: only what is never zero can be missed.
        """
        super().__init__(store)
        self._steps, self._sparse = tuple(steps), sparse
        self._files: dict[str, ChunkFiles] = {}

    def _with_store(self, store: Store) -> "WholeChunksStore":
        return WholeChunksStore(store, steps=self._steps, sparse=self._sparse)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Returns what is stored under a key.

        Raises:
          RunError: If it is a chunk that is not there.
        """
        content = await self._store.get(key, prototype, byte_range)
        chunk = _CHUNK.fullmatch(key)
        if chunk is None or (self._sparse and not never_zero(chunk["array"])):
            return content
        files = await self._files_of(chunk["array"], prototype)
        read_end = content is not None and (byte_range is None or isinstance(byte_range, SuffixByteRequest))
        if content is None or (read_end and files.lacks_chunks(chunk["key"], _end(content, files.index_bytes))):
            told = rows_as_people_say(files.axis, files.rows(chunk["key"]), self._steps)
            what = "is missing" if content is None else "lacks a part, or is cut"
            raise RunError(
                f"The run {place_of(self._store)} is damaged: the file {key} with {told} of {chunk['array']} {what}. {HOW}"
            )
        return content

    async def _files_of(self, array: str, prototype: BufferPrototype) -> ChunkFiles:
        if array not in self._files:
            content = await self._store.get(f"{array}/{METADATA}", prototype)
            self._files[array] = ChunkFiles.from_metadata(json.loads(content.to_bytes() if content else b"{}"))
        return self._files[array]


def never_zero(name: str) -> bool:
    """Returns whether a whole chunk of an array cannot be zeros: rows of attention sum to 1."""
    return name.startswith("attention/")


def folder_of(store: Store) -> Path | None:
    """Returns the folder of a store on disk; None for any other store."""
    inner = store._store if isinstance(store, WrapperStore) else store
    return inner.root if isinstance(inner, LocalStore) else None


def place_of(store: Store) -> str:
    """Returns the folder of a store on disk, or what the store calls itself."""
    folder = folder_of(store)
    return str(folder or (store._store if isinstance(store, WrapperStore) else store))


def _end(content: Buffer, count: int) -> bytes:
    return content[len(content) - count :].to_bytes() if count and len(content) > count else content.to_bytes()


def _index(key: str) -> tuple[int, ...]:
    return tuple(int(part) for part in key.split("/")[1:])


def _has_content(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:
        return False
