import numpy as np
import pytest

from octoscope.episodes.protobuf_wire import decode_varints, encode_delimited, encode_varints, iterate_fields
from octoscope.errors import EpisodeError

BORDERS = [0, 1, 127, 128, 16_383, 16_384, 2**31, 2**63 - 1, -1, -2, -(2**63)]


@pytest.mark.parametrize("value", BORDERS)
def test_one_varint_round_trip(value: int) -> None:
    assert decode_varints(encode_varints(np.array([value]))).tolist() == [value]


def test_many_varints_round_trip() -> None:
    noise = np.random.default_rng(0)
    values = noise.integers(-(2**62), 2**62, 2000) >> noise.integers(0, 62, 2000)
    np.testing.assert_array_equal(decode_varints(encode_varints(values)), values)


def test_negative_varint_takes_ten_bytes() -> None:
    assert encode_varints(np.array([-1])) == b"\xff" * 9 + b"\x01"


def test_no_varints() -> None:
    assert decode_varints(b"").tolist() == []


@pytest.mark.parametrize(
    ("packed", "message"), [(b"\x01\x80", "cut off at byte 2"), (b"\x80" * 10 + b"\x01", "varint of 11 bytes")]
)
def test_damaged_varints(packed: bytes, message: str) -> None:
    with pytest.raises(EpisodeError, match=message):
        decode_varints(packed)


def test_every_wire_type() -> None:
    message = b"\x08\x96\x01" + b"\x11" + b"8" * 8 + encode_delimited(3, b"text") + b"\x25" + b"4444"
    fields = [(number, bytes(payload)) for number, payload in iterate_fields(memoryview(message))]
    assert fields == [(1, b"\x96\x01"), (2, b"88888888"), (3, b"text"), (4, b"4444")]


def test_long_payload_has_a_long_length() -> None:
    assert [bytes(p) for _, p in iterate_fields(memoryview(encode_delimited(1, b"x" * 300)))] == [b"x" * 300]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"\x0a\x05abc", "field 1 ends at byte 7 of a message of 5 bytes"),
        (b"\x0d123", "field 1 ends at byte 5"),
        (b"\x0b", "unknown wire type 3 at byte 1"),
        (b"\x08\x80", "varint at byte 1 has no end"),
        (b"\x80", "varint at byte 0 has no end"),
        (b"\xff" * 12, "varint at byte 0 has no end"),
    ],
)
def test_damaged_message(message: bytes, expected: str) -> None:
    with pytest.raises(EpisodeError, match=expected):
        list(iterate_fields(memoryview(message)))
