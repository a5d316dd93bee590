"""TFRecord files: framed byte records with checksums, read one at a time by position.

A record is its length (uint64), a checksum of those 8 bytes, the payload and a checksum of the payload, all
little-endian. Scanning reads 12 bytes a record; the payload's checksum is verified when that record is read.
A file that TensorFlow compressed as a whole (gzip) is read, too, but each record costs the decompression of what lies before it.

Reference: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

import gzip
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import google_crc32c

from octoscope.errors import EpisodeError

_HEADER = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
# A few bytes of gzip can claim to be gigabytes of one record.
_MOST_COMPRESSED = 2**28
_GZIP_MAGIC = b"\x1f\x8b\x08"
_ZLIB_MAGICS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


@dataclass(frozen=True)
class RecordSpan:
    """Where one record's payload lies in its file."""

    # Bytes from the start of the (decompressed) file to the first byte of the payload.
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
        with _open(path) as file:
            size = _size(file, path)
            end = 0
            while end < size:
                spans.append(_read_header(file, path, start=end, size=size))
                end = spans[-1].offset + spans[-1].length + _CHECKSUM.size
    except (OSError, EOFError, ValueError, zlib.error) as error:
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
        with _open(path) as file:
            if isinstance(file, gzip.GzipFile) and span.length > _MOST_COMPRESSED:
                raise EpisodeError(
                    f"{path}: the record at byte {span.offset} has {span.length:,} bytes; in a compressed file at most "
                    f"{_MOST_COMPRESSED:,} are read. Decompress the file: gzip -d."
                )
            file.seek(span.offset)
            # One read each: cutting the payload off a longer read would hold it twice.
            payload, checksum = file.read(span.length), file.read(_CHECKSUM.size)
    except (OSError, EOFError, ValueError, zlib.error) as error:
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


def _unreadable(path: Path, error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{path}: cannot be read ({error.strerror}). Check that this shard of the dataset was downloaded."
    return f"{path}: its compressed bytes cannot be read ({error}). Copy or download it again."


def _open(path: Path) -> BufferedReader | gzip.GzipFile:
    """Returns the file, opened so that its records are read whether it is compressed or not."""
    with path.open("rb") as file:
        header = file.read(_HEADER.size)
    # A length may begin with the same bytes as gzip, so a header that holds is believed first.
    if header.startswith(_GZIP_MAGIC) and not _header_holds(header):
        return gzip.open(path)
    if header.startswith(_ZLIB_MAGICS) and not _header_holds(header):
        raise EpisodeError(
            f"{path}: begins like a file compressed with zlib, as TensorFlow writes on request. "
            "Uncompressed TFRecord files and those compressed with gzip are read: write it as one of these."
        )
    return path.open("rb")


def _size(file: BufferedReader | gzip.GzipFile, path: Path) -> int:
    if not isinstance(file, gzip.GzipFile):
        return path.stat().st_size
    # A compressed file's size is known when all of it was decompressed, a piece at a time.
    while file.read(2**20):
        pass
    return file.tell()


def _header_holds(header: bytes) -> bool:
    return len(header) == _HEADER.size and masked_checksum(header[:8]) == _HEADER.unpack(header)[1]


def _read_header(file: BufferedReader | gzip.GzipFile, path: Path, *, start: int, size: int) -> RecordSpan:
    if size - start < _HEADER.size:
        raise EpisodeError(
            f"{path}: expected a record header of {_HEADER.size} bytes at byte {start}, got {size - start}. {_MEND}"
        )
    file.seek(start)
    header = file.read(_HEADER.size)
    length, _ = _HEADER.unpack(header)
    if not _header_holds(header):
        raise EpisodeError(f"{path}: the record length at byte {start} does not match its checksum. {_MEND}")
    left = size - start - _HEADER.size
    if length + _CHECKSUM.size > left:
        raise EpisodeError(
            f"{path}: the record at byte {start} needs {length + _CHECKSUM.size} more bytes, "
            f"but the file ends after {left}. {_MEND}"
        )
    return RecordSpan(offset=start + _HEADER.size, length=length)
