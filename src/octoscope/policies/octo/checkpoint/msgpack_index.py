"""The parameter file of an official checkpoint (Flax msgpack), indexed without reading the weights.

Flax's own reader holds every array twice for a while, and all of them before the first can go to the device; this one only walks
over the headers. The format: nested maps with text keys; an array is extension type 1, whose payload is the msgpack of (shape,
dtype name, entries in C order); an array above 2**30 bytes is a map {"__msgpack_chunked_array__": true, "shape", "chunks"}.
Specification of msgpack: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes  # noqa: F401  # teaches NumPy the names bfloat16 and float8
import numpy as np
from flax import traverse_util

from octoscope.checkpoints.stored_params import (
    ArraySpec,
    FilePlace,
    PathArrays,
    StoredParams,
    check_places,
    read_places,
    require_file,
)
from octoscope.errors import CheckpointError

_CHUNKED = "__msgpack_chunked_array__"
# What orbax writes in place of an array that is spread over devices.
_PLACEHOLDER = "PLACEHOLDER://"
# Extension types of an array, and of a NumPy scalar, whose payload is alike.
_ARRAYS = (1, 3)
# First byte -> struct format of the length that follows.
_LENGTHS = {
    **{0xC4: ">B", 0xC5: ">H", 0xC6: ">I"},  # bytes
    **{0xC7: ">B", 0xC8: ">H", 0xC9: ">I"},  # extensions
    **{0xD9: ">B", 0xDA: ">H", 0xDB: ">I"},  # texts
    **{0xDC: ">H", 0xDD: ">I", 0xDE: ">H", 0xDF: ">I"},  # arrays, maps
}
_NUMBERS = {
    **{0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q"},
    **{0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"},
}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
# Deeper than any policy, and far from Python's own limit, which a broken file could reach.
_DEEPEST = 64


@dataclass(frozen=True)
class _Bytes:
    """A run of bytes left in the file."""

    offset: int
    length: int


def open_msgpack(path: Path) -> StoredParams:
    """Returns the parameters of a Flax msgpack file, not yet read.

    Raises:
      CheckpointError: If the file is missing, empty, truncated or something else.
    """
    require_file(path)
    with path.open("rb") as file:
        try:
            tree = _read_value(file, 0)
            rest = path.stat().st_size - file.tell()
        except (struct.error, LookupError, ValueError, TypeError, AttributeError, OverflowError, SyntaxError) as error:
            raise CheckpointError(
                f"{path} cannot be read as a Flax parameter file ({error}). It has {path.stat().st_size:,} bytes: compare "
                "with its source, it may be truncated; copy it again."
            ) from None
    if not isinstance(tree, dict):
        raise CheckpointError(f"{path} holds {type(tree).__name__}, not a tree of parameters.")
    places = _places(path, tree)
    check_places(path, places)
    if rest > 0:
        raise CheckpointError(
            f"{path} goes on for {rest:,} bytes after the last parameter. Copy it again from its source."
        )

    def arrays() -> PathArrays:
        with path.open("rb") as file:
            yield from read_places(file, places)

    return StoredParams("msgpack", (path,), {name: place.spec for name, place in places.items()}, arrays)


def _places(path: Path, tree: Mapping[str, Any]) -> dict[str, FilePlace]:
    flat: dict[str, Any] = traverse_util.flatten_dict(dict(tree), sep="/")
    for name, value in flat.items():
        if isinstance(value, str) and value.startswith(_PLACEHOLDER):
            raise CheckpointError(
                f"{path} says that '{name}' lies in a directory of its own: the policy was saved while spread over several "
                "devices. octoscope does not read that mixture; load it with the official program and save it from one device."
            )
        if not isinstance(value, FilePlace):
            raise CheckpointError(f"{path} holds {type(value).__name__} at '{name}', where a parameter array must be.")
    return flat


def _read_value(file: BinaryIO, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError(f"nested deeper than {_DEEPEST}")
    first = _take(file, 1)[0]
    if first < 0x80 or first >= 0xE0:
        return first if first < 0x80 else first - 0x100
    if first in _CONSTANTS:
        return _CONSTANTS[first]
    if first in _NUMBERS:
        return _unpack(file, _NUMBERS[first])
    length = _length(file, first)
    if first < 0x90 or first in (0xDE, 0xDF):
        return _read_map(file, length, depth)
    if first < 0xA0 or first in (0xDC, 0xDD):
        return [_read_value(file, depth + 1) for _ in range(length)]
    if first < 0xC0 or first in (0xD9, 0xDA, 0xDB):
        return _take(file, length).decode()
    if first in (0xC4, 0xC5, 0xC6):
        return _skip(file, length)
    return _read_extension(file, length, depth)


def _length(file: BinaryIO, first: int) -> int:
    if first < 0xA0:
        return first & 0x0F
    if first < 0xC0:
        return first & 0x1F
    if 0xD4 <= first <= 0xD8:
        return 1 << (first - 0xD4)
    if first not in _LENGTHS:
        raise ValueError(f"no msgpack begins with byte 0x{first:02x}")
    return _unpack(file, _LENGTHS[first])


def _read_map(file: BinaryIO, length: int, depth: int) -> Any:
    pairs = [(_read_value(file, depth + 1), _read_value(file, depth + 1)) for _ in range(length)]
    if not all(isinstance(key, str) for key, _ in pairs):
        raise ValueError("a map has a key that is no text")
    entries = dict(pairs)
    return _join_chunks(entries) if _CHUNKED in entries else entries


def _join_chunks(entries: Mapping[str, Any]) -> FilePlace:
    shape = tuple(entries["shape"][str(i)] for i in range(len(entries["shape"])))
    chunks = [entries["chunks"][str(i)] for i in range(len(entries["chunks"]))]
    return FilePlace(ArraySpec(shape, chunks[0].spec.dtype), tuple(piece for chunk in chunks for piece in chunk.pieces))


def _read_extension(file: BinaryIO, length: int, depth: int) -> FilePlace:
    kind = _unpack(file, ">b")
    if kind not in _ARRAYS:
        raise ValueError(f"extension type {kind} is no array")
    stop = file.tell() + length
    shape, dtype, entries = _read_value(file, depth + 1)
    name = dtype if isinstance(dtype, str) else _read_at(file, dtype).decode()
    if file.tell() != stop or not isinstance(entries, _Bytes):
        raise ValueError("an array's header does not fit its bytes")
    return FilePlace(ArraySpec(tuple(int(n) for n in shape), np.dtype(name)), ((entries.offset, entries.length),))


def _read_at(file: BinaryIO, place: _Bytes) -> bytes:
    here = file.tell()
    file.seek(place.offset)
    content = _take(file, place.length)
    file.seek(here)
    return content


def _skip(file: BinaryIO, length: int) -> _Bytes:
    place = _Bytes(file.tell(), length)
    file.seek(length, 1)
    return place


def _unpack(file: BinaryIO, layout: str) -> Any:
    return struct.unpack(layout, _take(file, struct.calcsize(layout)))[0]


def _take(file: BinaryIO, length: int) -> bytes:
    # Headers are short: a length beyond this is a sign of another format, and would fill the memory.
    if length > 2**16:
        raise ValueError(f"a text of {length:,} bytes")
    content = file.read(length)
    if len(content) != length:
        raise ValueError(f"the file ends after {file.tell():,} bytes")
    return content
