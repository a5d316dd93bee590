"""TFRecord files: framed byte records with checksums, read one at a time by position.

A record is its length (uint64), a checksum of those 8 bytes, the payload and a checksum of the payload, all
little-endian. Scanning reads 12 bytes a record; the payload's checksum is verified when that record is read.

Reference: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from octoscope.errors import EpisodeError

_HEADER = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")


@dataclass(frozen=True)
class RecordSpan:
    """Where one record's payload lies in its file."""

    # Bytes from the start of the file to the first byte of the payload.
    offset: int
    # Bytes of payload.
    length: int


def masked_checksum(data: bytes) -> int:
    """Returns the CRC-32C of `data`, rotated and shifted as TFRecord stores it (uint32).

    >>> hex(masked_checksum(b""))
    '0xa282ead8'
    """
    checksum = google_crc32c.value(data)
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def scan_tfrecord(path: Path) -> tuple[RecordSpan, ...]:
    """Returns where each record of the file lies, in order, without reading the payloads.

    Raises:
      EpisodeError: If the file is missing, empty, ends inside a record, or a length fails its checksum.
    """
    spans: list[RecordSpan] = []
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            end = 0
            while end < size:
                spans.append(_read_header(file, path, start=end, size=size))
                end = spans[-1].offset + spans[-1].length + _CHECKSUM.size
    except OSError as error:
        raise EpisodeError(_unreadable(path, error)) from error
    if not spans:
        raise EpisodeError(f"{path}: expected at least one TFRecord record, but the file is empty. {_MEND}")
    return tuple(spans)


def read_record(path: Path, span: RecordSpan) -> bytes:
    """Returns the payload of one record, its checksum verified.

    Args:
      path: The file that `span` was scanned from.
      span: One of the spans that `scan_tfrecord` returned.

    Raises:
      EpisodeError: If the file is unreadable, shorter than when it was scanned, or the payload fails its checksum.
    """
    try:
        with path.open("rb") as file:
            file.seek(span.offset)
            # One read each: cutting the payload off a longer read would hold it twice.
            payload, checksum = file.read(span.length), file.read(_CHECKSUM.size)
    except OSError as error:
        raise EpisodeError(_unreadable(path, error)) from error
    read = len(payload) + len(checksum)
    if read < span.length + _CHECKSUM.size:
        raise EpisodeError(
            f"{path}: expected {span.length + _CHECKSUM.size} bytes at byte {span.offset}, got {read}. {_MEND}"
        )
    if masked_checksum(payload) != _CHECKSUM.unpack(checksum)[0]:
        raise EpisodeError(
            f"{path}: the {span.length} bytes of payload at byte {span.offset} do not match their checksum. {_MEND}"
        )
    return payload


def write_tfrecord(path: Path, payloads: Iterable[bytes]) -> None:
    """Writes one record per payload, replacing the file if it is there.

    Args:
      path: The file to write; its folder must exist.
      payloads: The records, in order.
    """
    with path.open("wb") as file:
        for payload in payloads:
            length = struct.pack("<Q", len(payload))
            file.write(length + _CHECKSUM.pack(masked_checksum(length)))
            file.write(payload + _CHECKSUM.pack(masked_checksum(payload)))


_MEND = "The file is damaged, incomplete or no TFRecord file: copy or download it again."


def _unreadable(path: Path, error: OSError) -> str:
    return f"{path}: cannot be read ({error.strerror}). Check that this shard of the dataset was downloaded."


def _read_header(file: BinaryIO, path: Path, *, start: int, size: int) -> RecordSpan:
    if size - start < _HEADER.size:
        raise EpisodeError(
            f"{path}: expected a record header of {_HEADER.size} bytes at byte {start}, got {size - start}. {_MEND}"
        )
    file.seek(start)
    header = file.read(_HEADER.size)
    length, checksum = _HEADER.unpack(header)
    if masked_checksum(header[:8]) != checksum:
        raise EpisodeError(f"{path}: the record length at byte {start} does not match its checksum. {_MEND}")
    left = size - start - _HEADER.size
    if length + _CHECKSUM.size > left:
        raise EpisodeError(
            f"{path}: the record at byte {start} needs {length + _CHECKSUM.size} more bytes, "
            f"but the file ends after {left}. {_MEND}"
        )
    return RecordSpan(offset=start + _HEADER.size, length=length)
