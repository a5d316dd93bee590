from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from octoscope.errors import OutputError
from octoscope.render.image_file import write_jpeg, write_png

NOISE = np.random.default_rng(0).integers(0, 256, (31, 47, 3), dtype=np.uint8)


def test_pixels_come_back_as_they_were(tmp_path: Path):
    write_png(tmp_path / "a.png", NOISE)
    with Image.open(tmp_path / "a.png") as opened:
        assert opened.mode == "RGB"
        assert (np.asarray(opened) == NOISE).all()
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_a_jpeg_keeps_colours_within_a_few_levels(tmp_path: Path):
    cells = np.kron(np.random.default_rng(0).integers(0, 256, (4, 5, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    write_jpeg(tmp_path / "a.jpg", cells)
    with Image.open(tmp_path / "a.jpg") as opened:
        assert opened.format == "JPEG"
        assert np.abs(np.asarray(opened).astype(int) - cells).mean() < 3


def test_an_earlier_file_is_replaced(tmp_path: Path):
    write_png(tmp_path / "a.png", NOISE)
    write_png(tmp_path / "a.png", np.zeros((2, 2, 3), np.uint8))
    with Image.open(tmp_path / "a.png") as opened:
        assert opened.size == (2, 2)


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(OutputError, match=r"does not exist\. Create it first"):
        write_png(tmp_path / "missing" / "a.png", NOISE)


def test_a_target_that_is_a_folder_is_an_error_and_leaves_nothing(tmp_path: Path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(OutputError, match=r"Cannot write .*a\.png"):
        write_png(tmp_path / "a.png", NOISE)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_a_failed_write_keeps_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_png(tmp_path / "a.png", NOISE)

    def fail(path, data):
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        write_png(tmp_path / "a.png", np.zeros((2, 2, 3), np.uint8))
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
    with Image.open(tmp_path / "a.png") as opened:
        assert opened.size == (47, 31)
