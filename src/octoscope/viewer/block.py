"""Arrays on their way to the browser: one block of bytes with a head that says what lies where.

    4 bytes        length of the head, little-endian
    head           JSON: whatever the block says of itself, and "parts": name, dtype, shape and offset of each array
    parts          little-endian, each at a multiple of 8 from the block's beginning

A part of the kind "sqrt8" is coded: a row (last axis) is its largest value in float32 and one byte a value, the square root of its part of
that, so that small weights keep their digits. All rows' largest values come first, then all bytes. Deflated it takes a third of float16.
"""

import json
import struct
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from octoscope.array_typing import Float, Float32, UInt8

SQRT8 = "sqrt8"
# Of a row's largest value: half a step at the top, where steps are widest.
WORST_ERROR = 1.0 - (1.0 - 0.5 / 255) ** 2
_ALIGNED = 8


def pack_block(told: Mapping[str, Any], arrays: Mapping[str, np.ndarray], *, coded: Collection[str] = ()) -> bytes:
    """Returns a block.

    Args:
      told: What it says of itself; JSON.
      arrays: By name; booleans and numbers.
      coded: Names of those that are coded as "sqrt8": values of 0 and more.

    >>> told, arrays = unpack_block(pack_block({"steps": [0]}, {"weights": np.float16([[0.25, 0.75]])}))
    >>> told, arrays["weights"].tolist()
    ({'steps': [0]}, [[0.25, 0.75]])
    """
    contents = {name: _content(array, coded=name in coded) for name, array in arrays.items()}
    parts: list[dict[str, Any]] = []
    offset = 0
    for name, (dtype, content) in contents.items():
        parts.append({"name": name, "dtype": dtype, "shape": list(arrays[name].shape), "offset": offset})
        offset += _aligned(len(content))
    head = json.dumps({**told, "parts": parts}, separators=(",", ":"), allow_nan=False).encode()
    head = head.ljust(_aligned(len(head) + 4) - 4)
    padded = (content.ljust(_aligned(len(content)), b"\0") for _, content in contents.values())
    return b"".join([struct.pack("<I", len(head)), head, *padded])


def unpack_block(block: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Returns what a block says of itself, and its arrays: what the page does with it."""
    (length,) = struct.unpack_from("<I", block)
    told = json.loads(block[4 : 4 + length])
    arrays: dict[str, np.ndarray] = {}
    for part in told.pop("parts"):
        shape, start = tuple(part["shape"]), 4 + length + part["offset"]
        count = int(np.prod(shape))
        if part["dtype"] == SQRT8:
            rows = count // shape[-1] if shape[-1] else 0
            largest = np.frombuffer(block, "<f4", rows, start)
            codes = np.frombuffer(block, np.uint8, count, start + 4 * rows)
            arrays[part["name"]] = decode_rows(largest.reshape(shape[:-1]), codes.reshape(shape))
        else:
            arrays[part["name"]] = np.frombuffer(block, np.dtype(part["dtype"]), count, start).reshape(shape)
    return told, arrays


def encode_rows(
    values: Float[np.ndarray, "*batch key"],
) -> tuple[Float32[np.ndarray, "*batch"], UInt8[np.ndarray, "*batch key"]]:
    """Returns each row's largest value, and a byte for each value: 255 times the square root of its part of that.

    >>> largest, codes = encode_rows(np.array([0.5, 0.125, 0.0]))
    >>> float(largest), codes.tolist()
    (0.5, [255, 128, 0])
    """
    largest = np.asarray(values.max(axis=-1, initial=0.0), np.float32)
    parts = values / np.where(largest > 0, largest, 1.0)[..., None]
    return largest, np.rint(255.0 * np.sqrt(np.clip(parts, 0.0, 1.0))).astype(np.uint8)


def decode_rows(
    largest: Float32[np.ndarray, "*batch"], codes: UInt8[np.ndarray, "*batch key"]
) -> Float32[np.ndarray, "*batch key"]:
    """Returns the values again, each wrong by at most `WORST_ERROR` of its row's largest."""
    return np.asarray(largest[..., None] * (codes.astype(np.float32) / np.float32(255.0)) ** 2)


def _content(array: np.ndarray, *, coded: bool) -> tuple[str, bytes]:
    if coded:
        largest, codes = encode_rows(array)
        return SQRT8, largest.astype("<f4").tobytes() + codes.tobytes()
    plain = array.astype(np.uint8) if array.dtype == bool else array
    return plain.dtype.name, plain.astype(plain.dtype.newbyteorder("<")).tobytes()


def _aligned(length: int) -> int:
    return -(-length // _ALIGNED) * _ALIGNED
