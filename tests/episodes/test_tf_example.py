import contextlib
import pickle

import numpy as np
import pytest

from octoscope.episodes.protobuf_wire import encode_delimited
from octoscope.episodes.tf_example import CutWhenAsked, encode_example, parse_example
from octoscope.errors import EpisodeError


def one_feature(feature: bytes, name: bytes = b"x") -> bytes:
    return encode_delimited(1, encode_delimited(1, encode_delimited(1, name) + encode_delimited(2, feature)))


def test_bytes_as_protobuf_writes_them() -> None:
    # Example(features={"a": int64_list [1, 300]}), written out by hand from the .proto files.
    data = b"\x0a\x0e\x0a\x0c\x0a\x01a\x12\x07\x1a\x05\x0a\x03\x01\xac\x02"
    assert encode_example({"a": np.array([1, 300])}) == data
    assert parse_example(data)["a"].tolist() == [1, 300]


def test_round_trip_keeps_values_and_dtypes() -> None:
    example = parse_example(
        encode_example(
            {
                "float": np.array([1.5, -2.25, np.nan], np.float32),
                "int": np.array([-1, 0, 2**40]),
                "text": [b"", "größer".encode()],
                "none": [],
            }
        )
    )
    assert list(example) == ["float", "int", "none", "text"]
    np.testing.assert_array_equal(example["float"], np.array([1.5, -2.25, np.nan], np.float32))
    assert example["float"].dtype == np.float32
    assert example["int"].tolist() == [-1, 0, 2**40]
    assert example["text"] == [b"", "größer".encode()]
    assert example["none"] == []


def test_unpacked_numbers() -> None:
    floats = b"\x0d" + np.float32(1.5).tobytes() + b"\x0d" + np.float32(2.5).tobytes()
    assert parse_example(one_feature(encode_delimited(2, floats)))["x"].tolist() == [1.5, 2.5]
    integers = b"\x08\x05" + b"\x08" + b"\xff" * 9 + b"\x01"
    assert parse_example(one_feature(encode_delimited(3, integers)))["x"].tolist() == [5, -1]


def test_packed_and_unpacked_mixed() -> None:
    integers = encode_delimited(1, b"\x01\x02") + b"\x08\x03"
    assert parse_example(one_feature(encode_delimited(3, integers)))["x"].tolist() == [1, 2, 3]


def test_large_packed_list() -> None:
    values = np.arange(500_000, dtype=np.float32)
    np.testing.assert_array_equal(parse_example(encode_example({"x": values}))["x"], values)


def test_empty_messages() -> None:
    assert parse_example(b"") == {}
    assert parse_example(one_feature(b"")) == {"x": []}
    assert parse_example(one_feature(encode_delimited(2, b"")))["x"].shape == (0,)


def test_damaged_feature_is_named() -> None:
    with pytest.raises(EpisodeError, match="feature 'x': damaged message: 3 bytes of float32"):
        parse_example(one_feature(encode_delimited(2, encode_delimited(1, b"123"))))


def test_feature_name_that_is_no_text() -> None:
    with pytest.raises(EpisodeError, match="no UTF-8"):
        parse_example(one_feature(b"", name=b"\xff"))


def test_damage_anywhere_never_escapes_as_another_error() -> None:
    data = encode_example({"a": np.arange(300), "b": np.ones(20, np.float32), "c": [b"text", b"more"]})
    noise = np.random.default_rng(0)
    for size in range(0, len(data), 7):
        with contextlib.suppress(EpisodeError):
            parse_example(data[:size])
    for _ in range(1000):
        damaged = bytearray(data)
        for place in noise.integers(0, len(data), 3):
            damaged[place] = noise.integers(0, 256)
        with contextlib.suppress(EpisodeError):
            parse_example(bytes(damaged))


def test_large_byte_strings_are_cut_out_when_asked_for() -> None:
    pictures = [bytes([number]) * 40_000 for number in range(3)]
    stored = parse_example(encode_example({"image": pictures, "text": [b"lift"]}))
    images = stored["image"]
    assert isinstance(images, CutWhenAsked)
    assert type(stored["text"]) is list
    assert (images[1], images[1:], list(images), b"".join(images)) == (
        pictures[1],
        pictures[1:],
        pictures,
        b"".join(pictures),
    )
    travelled = pickle.loads(pickle.dumps(images))
    assert (type(travelled), travelled) == (list, pictures)
