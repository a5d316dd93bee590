"""The protobuf wire format: a message as its fields, and integers as varints.

A field is a tag (number and wire type, one varint) and a payload. Every read is bounds-checked: damaged bytes end in
EpisodeError, never in a wrong value taken from beyond the message.

Reference: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator

import numpy as np

from octoscope.array_typing import Int
from octoscope.errors import EpisodeError

_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZE = {_FIXED64: 8, _FIXED32: 4}
_LONGEST_VARINT = 10


def iterate_fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yields each field's number and its payload bytes, in order.

    The payload of a number is its own bytes: joined, the payloads of a repeated number are what one packed field
    would hold.

    Raises:
      EpisodeError: If a field runs past the end of the message or has a wire type that no field has today.

    Example:
      >>> [(number, bytes(payload)) for number, payload in iterate_fields(memoryview(b"\\x0a\\x02hi\\x10\\x07"))]
      [(1, b'hi'), (2, b'\\x07')]
    """
    position = 0
    while position < len(message):
        tag, position = _read_varint(message, position)
        start, end = _payload_bounds(message, tag & 7, position)
        if end > len(message):
            raise EpisodeError(
                f"damaged message: field {tag >> 3} ends at byte {end} of a message of {len(message)} bytes."
            )
        yield tag >> 3, message[start:end]
        position = end


def encode_delimited(number: int, payload: bytes) -> bytes:
    """Returns a length-delimited field: a string, bytes, packed numbers or a message inside the message.

    >>> encode_delimited(1, b"hi")
    b'\\n\\x02hi'
    """
    return _encode_varint(number << 3 | _DELIMITED) + _encode_varint(len(payload)) + payload


def decode_varints(packed: bytes) -> Int[np.ndarray, " _"]:
    """Returns the int64 values of varints that follow each other without gaps.

    Raises:
      EpisodeError: If the last varint is cut off or one is longer than 64 bits allow.

    Example:
      >>> decode_varints(b"\\x01\\xac\\x02")
      array([  1, 300])
    """
    octets = np.frombuffer(packed, np.uint8)
    last = octets < 0x80
    if last.all():
        return octets.astype(np.int64)
    if not last[-1]:
        raise EpisodeError(f"damaged message: the last of its varints is cut off at byte {len(octets)}.")
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > _LONGEST_VARINT:
        raise EpisodeError(f"damaged message: a varint of {lengths.max()} bytes, where at most {_LONGEST_VARINT} fit.")
    place = np.arange(len(octets)) - np.repeat(starts, lengths)
    groups = (octets & 0x7F).astype(np.uint64) << (7 * place).astype(np.uint64)
    return np.bitwise_or.reduceat(groups, starts).view(np.int64)


def encode_varints(values: Int[np.ndarray, " _"]) -> bytes:
    """Returns the values as varints, one after the other; a negative value takes 10 bytes.

    >>> encode_varints(np.array([1, 300]))
    b'\\x01\\xac\\x02'
    """
    return b"".join(_encode_varint(value) for value in values.astype(np.int64).view(np.uint64).tolist())


def _payload_bounds(message: memoryview, wire_type: int, position: int) -> tuple[int, int]:
    if wire_type == _DELIMITED:
        length, start = _read_varint(message, position)
        return start, start + length
    if wire_type == _VARINT:
        return position, _read_varint(message, position)[1]
    if wire_type in _FIXED_SIZE:
        return position, position + _FIXED_SIZE[wire_type]
    raise EpisodeError(f"damaged message: unknown wire type {wire_type} at byte {position}.")


def _read_varint(message: memoryview, start: int) -> tuple[int, int]:
    """Returns the value at `start` and the position behind it."""
    value = 0
    for place, octet in enumerate(message[start : start + _LONGEST_VARINT]):
        value |= (octet & 0x7F) << 7 * place
        if octet < 0x80:
            return value, start + place + 1
    raise EpisodeError(f"damaged message: the varint at byte {start} has no end.")


def _encode_varint(value: int) -> bytes:
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)
