"""The tf.train.Example message: named flat lists of bytes, floats or integers, read without TensorFlow.

Example is `{1: Features}`, Features is `{1: map<string, Feature>}`, and a Feature holds one of BytesList (1),
FloatList (2) and Int64List (3), each `{1: repeated value}`, its numbers packed in one field or in a field each.

Reference: https://www.tensorflow.org/tutorials/load_data/tfrecord#tftrainexample
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from octoscope.array_typing import Float32, Int
from octoscope.episodes.protobuf_wire import decode_varints, encode_delimited, encode_varints, iterate_fields
from octoscope.errors import EpisodeError

# Text and encoded images are bytes, numbers are flat arrays: float32 or int64, whatever was stored in them.
ExampleValue = list[bytes] | Float32[np.ndarray, " _"] | Int[np.ndarray, " _"]

# Bytes from which on a list is not copied out of its record; below that copies cost nothing.
_LARGE = 2**16
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3


class CutWhenAsked(list[bytes]):
    """The byte strings of a record, each cut out when it is asked for: an episode's pictures would else be in memory twice."""

    def __init__(self, views: Sequence[memoryview]) -> None:
        """Takes where they lie in the record."""
        super().__init__(views)  # pyright: ignore[reportArgumentType]

    def __getitem__(self, index: Any) -> Any:
        """Returns one of them, or a list of several."""
        views = super().__getitem__(index)
        return [bytes(view) for view in views] if isinstance(index, slice) else bytes(views)

    def __iter__(self) -> Iterator[bytes]:
        """Yields one after another."""
        return (bytes(view) for view in super().__iter__())

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels to other processes as a plain list."""
        return list, (list(self),)


def parse_example(data: bytes) -> dict[str, ExampleValue]:
    """Returns the features of one serialized Example by name; a feature that holds nothing is an empty list.

    Args:
      data: The bytes of the message, as one TFRecord record holds them.

    Raises:
      EpisodeError: If the bytes are no such message.

    Example:
      >>> parse_example(encode_example({"reward": np.array([0, 1]), "text": [b"lift"]}))
      {'reward': array([0, 1]), 'text': [b'lift']}
    """
    example: dict[str, ExampleValue] = {}
    for features in _payloads(memoryview(data), 1):
        for entry in _payloads(features, 1):
            name, value = _parse_entry(entry)
            example[name] = value
    return example


def encode_example(features: Mapping[str, ExampleValue]) -> bytes:
    """Returns the serialized Example, its features in alphabetical order so that equal features give equal bytes.

    Args:
      features: Flat values by name; integers are stored as int64.

    Example:
      >>> encode_example({"text": [b"lift"]})
      b'\\n\\x12\\n\\x10\\n\\x04text\\x12\\x08\\n\\x06\\n\\x04lift'
    """
    entries = b"".join(
        encode_delimited(1, encode_delimited(1, name.encode()) + encode_delimited(2, _encode_feature(value)))
        for name, value in sorted(features.items())
    )
    return encode_delimited(1, entries)


def _payloads(message: memoryview, number: int) -> list[memoryview]:
    return [payload for field, payload in iterate_fields(message) if field == number]


def _parse_entry(entry: memoryview) -> tuple[str, ExampleValue]:
    fields = dict(iterate_fields(entry))
    try:
        name = bytes(fields.get(1, b"")).decode()
    except UnicodeDecodeError as error:
        raise EpisodeError("damaged message: the name of a feature is no UTF-8 text.") from error
    try:
        return name, _parse_feature(fields.get(2, memoryview(b"")))
    except EpisodeError as error:
        raise EpisodeError(f"feature '{name}': {error}") from error


def _parse_feature(feature: memoryview) -> ExampleValue:
    for number, message in iterate_fields(feature):
        values = _payloads(message, 1)
        if number == _BYTES_LIST:
            large = sum(map(len, values)) > _LARGE
            return CutWhenAsked(values) if large else [bytes(value) for value in values]
        if number == _FLOAT_LIST:
            return _parse_floats(b"".join(values))
        if number == _INT64_LIST:
            return decode_varints(b"".join(values))
    return []


def _parse_floats(packed: bytes) -> Float32[np.ndarray, " _"]:
    if len(packed) % 4:
        raise EpisodeError(f"damaged message: {len(packed)} bytes of float32 values, which is no multiple of 4.")
    return np.frombuffer(packed, "<f4")


def _encode_feature(value: ExampleValue) -> bytes:
    if isinstance(value, list):
        return encode_delimited(_BYTES_LIST, b"".join(encode_delimited(1, item) for item in value))
    if value.dtype.kind == "f":
        return encode_delimited(_FLOAT_LIST, encode_delimited(1, value.astype("<f4").tobytes()))
    return encode_delimited(_INT64_LIST, encode_delimited(1, encode_varints(value)))
