"""Whatever bytes lie there, a reader of episodes gives arrays or an EpisodeError, and nothing else.

Longer: `make fuzz`.
"""

import gzip
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from damaged_bytes import damaged, odd_json
from octoscope.episodes.episode import Episode
from octoscope.episodes.image_codec import decode_image, encode_png
from octoscope.episodes.picture_file import read_picture
from octoscope.episodes.rlds_writer import write_rlds
from octoscope.episodes.sources import open_episodes
from octoscope.episodes.tf_example import parse_example
from octoscope.episodes.tfrecord import read_record, scan_tfrecord, write_tfrecord
from octoscope.errors import EpisodeError

SHARD = "lab-train.tfrecord-00000-of-00001"


@pytest.fixture
def dataset(tmp_path: Path, make_episode: Callable[..., Episode]) -> Path:
    return write_rlds(tmp_path, name="lab", episodes={"train": [make_episode(seed, steps=2) for seed in range(2)]})


def outcome(read: Callable[[], object]) -> str:
    try:
        read()
    except EpisodeError:
        return "refused"
    return "read"


def read_all(dataset: Path) -> None:
    source = open_episodes(dataset)
    assert len(source) < 10_000_000
    for episode in source:
        for images in episode.images.values():
            np.asarray(images)


def fuzz(read: Callable[[bytes], object], inputs: st.SearchStrategy[bytes]) -> None:
    """Tries drawn inputs; at least one must be refused, or nothing was damaged."""
    outcomes: set[str] = set()

    @given(inputs)
    def try_one(data: bytes) -> None:
        outcomes.add(outcome(lambda: read(data)))

    try_one()
    assert "refused" in outcomes


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
def test_descriptions(dataset: Path, name: str) -> None:
    def read(data: bytes) -> None:
        (dataset / name).write_bytes(data)
        read_all(dataset)

    fuzz(read, odd_json((dataset / name).read_bytes()))


@pytest.mark.parametrize("declared", [True, False])
def test_records(dataset: Path, declared: bool) -> None:
    """The record's checksum holds, so that what is inside is read; the other episode is whole."""
    payloads = [read_record(dataset / SHARD, span) for span in scan_tfrecord(dataset / SHARD)]
    if not declared:
        (dataset / "features.json").unlink()

    def read(data: bytes) -> None:
        write_tfrecord(dataset / SHARD, [data, payloads[1]])
        read_all(dataset)

    fuzz(read, damaged(payloads[0]))


@pytest.mark.parametrize("compressed", [False, True])
def test_tfrecord_files(dataset: Path, compressed: bool) -> None:
    whole = (dataset / SHARD).read_bytes()

    def read(data: bytes) -> None:
        (dataset / SHARD).write_bytes(data)
        for span in scan_tfrecord(dataset / SHARD):
            read_record(dataset / SHARD, span)

    fuzz(read, damaged(gzip.compress(whole, mtime=0) if compressed else whole))


def test_examples(dataset: Path) -> None:
    payload = read_record(dataset / SHARD, scan_tfrecord(dataset / SHARD)[0])
    fuzz(parse_example, damaged(payload))
    fuzz(parse_example, st.binary(max_size=200))


def pictures() -> dict[str, bytes]:
    """Returns small pictures in every format that is read, and some that are not."""
    rgb = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
    files = {"png": encode_png(np.asarray(rgb)), "jpeg": simplejpeg.encode_jpeg(np.asarray(rgb))}
    files |= {f"png {mode}": _saved(rgb.convert(mode), "PNG") for mode in ("L", "LA", "RGBA", "P", "1")}
    files["png 16"] = _saved(Image.fromarray(np.full((4, 4), 3000, np.uint16)), "PNG")
    files |= {form: _saved(rgb, form) for form in ("BMP", "GIF", "WEBP", "TIFF", "PPM")}
    files["tiff float"] = _saved(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF")
    turned = Image.Exif()
    turned[274] = 6
    return files | {"exif": _saved(rgb, "JPEG", exif=turned), "progressive": _saved(rgb, "JPEG", progressive=True)}


def _saved(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def test_images() -> None:
    frames = [data for name, data in pictures().items() if name.startswith(("png", "jpeg", "exif", "prog"))]
    fuzz(decode_image, st.sampled_from(frames).flatmap(damaged))


def test_picture_files(tmp_path: Path) -> None:
    def read(data: bytes) -> None:
        (tmp_path / "picture").write_bytes(data)
        levels, _ = read_picture(tmp_path / "picture", (8, 8))
        assert (levels.shape, levels.dtype) == ((8, 8, 3), np.uint8)

    fuzz(read, st.sampled_from(list(pictures().values())).flatmap(damaged))


def test_the_undamaged_files_are_read(dataset: Path, tmp_path: Path) -> None:
    """Else the tests above would prove nothing."""
    read_all(dataset)
    copy = tmp_path / "copy"
    shutil.copytree(dataset, copy)
    (copy / "features.json").unlink()
    read_all(copy)
    for name, data in pictures().items():
        (tmp_path / "picture").write_bytes(data)
        expected = "refused" if name in ("png 16", "PPM", "tiff float") else "read"
        assert outcome(lambda: read_picture(tmp_path / "picture")) == expected, name
