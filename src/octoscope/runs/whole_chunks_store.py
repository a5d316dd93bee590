"""A store that refuses to read what is not there.

zarr takes a chunk that is missing for one of zeros. A run has every chunk written, so here a missing one is damage: a file that is gone
or empty, and a chunk that the index of a shard does not know.
"""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from zarr.abc.store import ByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore, WrapperStore

from octoscope.errors import RunError
from octoscope.runs.chunk_files import (
    CHECKSUM_BYTES,
    HOW,
    METADATA,
    ChunkFiles,
    file_index,
    never_zero,
    rows_as_people_say,
)

_CHUNK = re.compile(r"(?P<array>.+)/(?P<key>c(?:/\d+)*)")
# What the index of a shard says of a chunk that was not written: offset and size.
_ABSENT = 2**64 - 1


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
        if content is None or (read_end and _lacks_chunks(files, chunk["key"], _end(content, files.index_bytes))):
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


def _lacks_chunks(files: ChunkFiles, key: str, end: bytes) -> bool:
    """Returns whether a shard, told from its last bytes, is cut or lacks a chunk that lies within the array."""
    if files.chunk_shape is None:
        return False
    if len(end) < files.index_bytes:
        return True
    index = np.frombuffer(end[-files.index_bytes : -CHECKSUM_BYTES], "<u8").reshape(*files.chunks_per_file, 2)
    within = [
        math.ceil(min(per_file, size - at * per_file) / chunk)
        for at, per_file, size, chunk in zip(
            file_index(key), files.file_shape, files.shape, files.chunk_shape, strict=True
        )
    ]
    return bool((index[tuple(map(slice, within))] == _ABSENT).any())
