import gzip
import struct
import zlib
from pathlib import Path

import pytest

from octoscope.episodes.tfrecord import RecordSpan, masked_checksum, read_record, scan_tfrecord, write_tfrecord
from octoscope.errors import EpisodeError

PAYLOADS = [b"first", b"", b"x" * 70_000, b"last"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.tfrecord"
    write_tfrecord(path, PAYLOADS)
    return path


def test_bytes_on_disk_are_length_checksum_payload_checksum(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    write_tfrecord(path, [b"123456789"])
    # The CRC-32C of "123456789" is 0xe3069283 by its definition; rotated by 15 and shifted by the constant.
    masked = ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF
    length = struct.pack("<Q", 9)
    expected = length + struct.pack("<I", masked_checksum(length)) + b"123456789" + struct.pack("<I", masked)
    assert path.read_bytes() == expected


def test_records_are_read_in_any_order(file: Path) -> None:
    spans = scan_tfrecord(file)
    assert [span.length for span in spans] == [5, 0, 70_000, 4]
    assert [read_record(file, span) for span in reversed(spans)] == PAYLOADS[::-1]


def test_scan_does_not_read_payloads(file: Path) -> None:
    damaged = bytearray(file.read_bytes())
    damaged[12] ^= 1
    file.write_bytes(damaged)
    spans = scan_tfrecord(file)
    assert read_record(file, spans[3]) == b"last"
    with pytest.raises(EpisodeError, match=r"a\.tfrecord: the 5 bytes of payload at byte 12 do not match"):
        read_record(file, spans[0])


def test_damaged_length_is_found_by_the_scan(file: Path) -> None:
    damaged = bytearray(file.read_bytes())
    damaged[21] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(EpisodeError, match="record length at byte 21 does not match its checksum"):
        scan_tfrecord(file)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (0, "at least one TFRecord record, but the file is empty"),
        (7, "header of 12 bytes at byte 0, got 7"),
        (15, "record at byte 0 needs 9 more bytes, but the file ends after 3"),
        (30, "header of 12 bytes at byte 21, got 9"),
    ],
)
def test_truncated_file_says_where_and_what_to_do(file: Path, size: int, message: str) -> None:
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(EpisodeError, match=message) as raised:
        scan_tfrecord(file)
    assert str(file) in str(raised.value)
    assert "download it again" in str(raised.value)


def test_every_truncation_is_an_episode_error_or_a_record_boundary(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    write_tfrecord(path, [b"ab", b"c"])
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        if size == 18:
            assert len(scan_tfrecord(path)) == 1
            continue
        with pytest.raises(EpisodeError):
            scan_tfrecord(path)


def test_file_that_shrank_after_its_scan(file: Path) -> None:
    span = scan_tfrecord(file)[-1]
    file.write_bytes(file.read_bytes()[:-6])
    with pytest.raises(EpisodeError, match="expected 8 bytes at byte"):
        read_record(file, span)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match=r"cannot be read .*shard of the dataset was downloaded"):
        scan_tfrecord(tmp_path / "none")
    with pytest.raises(EpisodeError, match="cannot be read"):
        read_record(tmp_path / "none", RecordSpan(12, 1))


def test_a_file_compressed_with_gzip_is_read(file: Path) -> None:
    plain = scan_tfrecord(file)
    file.write_bytes(gzip.compress(file.read_bytes()))
    spans = scan_tfrecord(file)
    assert spans == plain
    assert [read_record(file, span) for span in reversed(spans)] == PAYLOADS[::-1]


def test_a_length_that_begins_like_gzip_is_a_length(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    # 0x088b1f in little-endian is gzip's magic.
    write_tfrecord(path, [b"x" * 0x088B1F, b"last"])
    assert path.read_bytes().startswith(b"\x1f\x8b\x08")
    assert read_record(path, scan_tfrecord(path)[1]) == b"last"


@pytest.mark.parametrize("cut", [20, 60])
def test_damaged_gzip(file: Path, cut: int) -> None:
    whole = gzip.compress(file.read_bytes())
    file.write_bytes(whole[:cut])
    with pytest.raises(EpisodeError, match="compressed bytes cannot be read"):
        scan_tfrecord(file)


def test_other_compression_is_named(file: Path) -> None:
    file.write_bytes(zlib.compress(file.read_bytes()))
    with pytest.raises(EpisodeError, match=r"compressed with zlib.*Uncompressed .* gzip are read"):
        scan_tfrecord(file)


def test_a_few_bytes_of_gzip_that_claim_gigabytes(file: Path) -> None:
    file.write_bytes(gzip.compress(file.read_bytes()))
    with pytest.raises(
        EpisodeError, match=r"has 1,073,741,824 bytes; in a compressed file at most 268,435,456 are read"
    ):
        read_record(file, RecordSpan(12, 2**30))
