"""Arrays of a run decoded by hand: zarr's way through a thread takes ten times as long as the work itself.

Only what `array_writer` writes is read here: files cut along the first axis, either one zstd chunk or a shard with its index at the end.
For all else, and for whatever is not as it must be, the answer is None: zarr reads it, or says what is wrong with it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import numcodecs.zstd
import numpy as np

from octoscope.runs.chunk_files import METADATA, ChunkFiles

_LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
_KINDS = frozenset("biuf")
# Bytes from the first wanted chunk of a file to the last, up to which they are read together.
_AT_ONCE = 1 << 24


@dataclass(frozen=True)
class ShardReader:
    """One array on disk."""

    folder: Path
    files: ChunkFiles
    dtype: np.dtype

    @classmethod
    def open(cls, folder: Path) -> "ShardReader | None":
        """Returns the reader of an array's folder; None where the array is laid out in another way, or its metadata cannot be read."""
        try:
            metadata = json.loads((folder / METADATA).read_bytes())
            files, dtype = ChunkFiles.from_metadata(metadata), np.dtype(metadata["data_type"])
            plain = dtype.kind in _KINDS and _is_ours(metadata, files, dtype)
        except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            return None
        return cls(folder, files, dtype) if plain else None

    def read(self, index: Any) -> np.ndarray | None:
        """Returns a part of the array; None where anything is amiss.

        Args:
          index: Of the first axis: a number, or a slice without steps; or of the first and the second, both numbers. Else None.
        """
        rows, second = _rows(index, self.files.shape)
        if rows is None:
            return None
        try:
            values = self._decode(rows, second)
        # A file that is gone or cut, a checksum that differs, a frame of another size: whatever the codecs raise.
        except (OSError, ValueError, RuntimeError, OverflowError):
            return None
        return values if isinstance(index, slice) else np.asarray(values[0])

    def _decode(self, rows: range, second: int | None) -> np.ndarray:
        # A plain row of numbers is read as a table of one column.
        shape, chunk = ((*sizes, 1)[: max(2, len(sizes))] for sizes in (self.files.shape, self._chunk))
        width = chunk[1]
        columns = range(shape[1] // width) if second is None else range(second // width, second // width + 1)
        values = np.empty((len(rows), len(columns) * width, *shape[2:]), self.dtype)
        for row, column, content in self._chunks(rows, columns):
            low, high = max(row, rows.start), min(row + chunk[0], rows.stop)
            at = (column - columns.start) * width
            target = values[low - rows.start : high - rows.start, at : at + width]
            whole = target.shape == chunk and target.flags.c_contiguous
            decoded = target if whole else np.empty(chunk, self.dtype)
            numcodecs.zstd.decompress(content, decoded.reshape(-1).view(np.uint8))
            if not whole:
                target[...] = decoded[low - row : high - row]
        values = values if second is None else values[:, second - columns.start * width]
        return values.reshape(-1) if len(self.files.shape) == 1 else values

    @property
    def _chunk(self) -> tuple[int, ...]:
        return self.files.chunk_shape or self.files.file_shape

    def _chunks(self, rows: range, columns: range) -> Iterator[tuple[int, int, bytes | memoryview]]:
        """Yields the first row, the place along the second axis, and the compressed content of all chunks that hold some rows."""
        per_file = self.files.file_shape[0]
        for number in range(rows.start // per_file, (rows.stop - 1) // per_file + 1 if len(rows) else 0):
            path = self.folder.joinpath("c", *[str(number), *["0"] * (len(self.files.shape) - 1)])
            if self.files.chunk_shape is None:
                yield number * per_file, 0, path.read_bytes()
                continue
            inside = range(max(rows.start, number * per_file), min(rows.stop, (number + 1) * per_file))
            with path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(size - self.files.index_bytes)
                index = _checked_index(file.read(), per_file // self.files.chunk_shape[0])
                wanted = [
                    (row, column, *index[row - number * per_file, column].tolist())
                    for row in inside
                    for column in columns
                ]
                # Chunks lie as they were written: many at once are read in one go, and not copied again.
                first, stop = (
                    min(start for _, _, start, _ in wanted),
                    max(start + length for _, _, start, length in wanted),
                )
                if stop - first <= _AT_ONCE:
                    file.seek(first)
                    content = memoryview(file.read(stop - first))
                    yield from (
                        (row, column, content[start - first :][:length]) for row, column, start, length in wanted
                    )
                    continue
                for row, column, start, length in wanted:
                    file.seek(start)
                    yield row, column, file.read(length)


def _is_ours(metadata: Mapping[str, Any], files: ChunkFiles, dtype: np.dtype) -> bool:
    """Returns whether files are cut along the first axis alone, and chunks of a shard along the first, one row each, and the second."""
    codecs = metadata["codecs"]
    grid_is_plain = (
        len(files.shape) > 0
        and 0 not in files.shape
        and metadata["chunk_key_encoding"] == {"name": "default", "configuration": {"separator": "/"}}
        and metadata["chunk_grid"]["name"] == "regular"
        and files.file_shape[1:] == files.shape[1:]
    )
    if codecs[0]["name"] != "sharding_indexed":
        return grid_is_plain and _is_plain(codecs, dtype)
    settings = codecs[0]["configuration"]
    chunk = files.chunk_shape
    return (
        grid_is_plain
        and len(codecs) == 1
        and chunk is not None
        and chunk[0] == 1
        and all(size % width == 0 for size, width in zip(files.shape[1:2], chunk[1:2], strict=True))
        and chunk[2:] == files.shape[2:]
        and _is_plain(settings["codecs"], dtype)
        and settings["index_codecs"] == [_LITTLE, {"name": "crc32c"}]
    )


def _is_plain(codecs: list[Mapping[str, Any]], dtype: np.dtype) -> bool:
    little = codecs[0] == _LITTLE or (dtype.itemsize == 1 and codecs[0]["name"] == "bytes")
    return len(codecs) == 2 and little and codecs[1]["name"] == "zstd"


def _rows(index: Any, shape: tuple[int, ...]) -> tuple[range | None, int | None]:
    """Returns the rows asked for, and the entry of the second axis; None where they are not plain, or not there."""
    first: Any = index
    second: Any = None
    if isinstance(index, tuple) and len(index) == 2:
        first, second = index
    if isinstance(first, slice) and second is None and first.step in (None, 1):
        return range(*first.indices(shape[0])), None
    if type(first) is not int or not 0 <= first < shape[0]:
        return None, None
    fits = second is None or (len(shape) > 1 and type(second) is int and 0 <= second < shape[1])
    return (range(first, first + 1), second) if fits else (None, None)


def _checked_index(content: bytes, rows: int) -> np.ndarray:
    """Returns offset and size of each chunk of a shard, by row and place along the second axis.

    Raises:
      ValueError: If it is not the index that was written.
    """
    if google_crc32c.value(content[:-4]) != int.from_bytes(content[-4:], "little"):
        raise ValueError("the index of a shard is not the one that was written")
    return np.frombuffer(content[:-4], "<u8").reshape(rows, -1, 2)
