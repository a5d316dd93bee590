"""A picture file has the pixels that a dataset's frame of the same bytes has, and what was changed is said."""

import io
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from octoscope.episodes.image_codec import decode_image, encode_png
from octoscope.episodes.picture_file import read_picture
from octoscope.errors import EpisodeError
from octoscope.escaping.terminal import say
from octoscope.studies.cnn.picture import open_picture
from octoscope.studies.opening import read_goal_images

NOISE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def with_alpha(alpha: int) -> Image.Image:
    return Image.fromarray(np.dstack([NOISE, np.full((20, 30), alpha, np.uint8)]))


def test_a_goal_a_networks_picture_and_a_datasets_frame_are_one(tmp_path: Path, capsys) -> None:
    files = {
        "a.jpg": simplejpeg.encode_jpeg(NOISE, quality=70),
        "b.png": encode_png(NOISE),
        "c.png": save(tmp_path / "clear.png", with_alpha(0)).read_bytes(),
        "d.png": save(tmp_path / "grey.png", Image.fromarray(NOISE[:, :, 0])).read_bytes(),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        goals = read_goal_images((f"wrist={tmp_path / name}",), tell=say)
        assert goals is not None
        np.testing.assert_array_equal(goals["wrist"], decode_image(data))
        np.testing.assert_array_equal(open_picture(str(tmp_path / name), (20, 30), tell=say), decode_image(data))
    said = capsys.readouterr().out
    assert said.count("c.png: transparency dropped: the colours stored under it are shown.") == 2
    assert said.count("d.png: grey shown as three equal colours.") == 2


def test_what_was_changed_is_said(tmp_path: Path) -> None:
    grey = save(tmp_path / "grey.png", Image.new("L", (8, 6), 100))
    levels, said = read_picture(grey, (12, 16))
    assert levels.shape == (12, 16, 3)
    assert levels.dtype == np.uint8
    assert said == "grey shown as three equal colours; resized from 6 x 8 to 12 x 16 pixels"
    opaque = save(tmp_path / "opaque.png", with_alpha(255))
    assert read_picture(opaque)[1] == ""
    film = save(
        tmp_path / "film.gif", Image.new("RGB", (4, 4), "red"), save_all=True, append_images=[Image.new("RGB", (4, 4))]
    )
    levels, said = read_picture(film)
    assert (levels[0, 0].tolist(), said) == ([255, 0, 0], "the first of its 2 frames")


def test_all_eight_ways_of_holding_a_camera(tmp_path: Path) -> None:
    """Orientation n of EXIF, undone as Pillow undoes it."""
    from PIL import ImageOps

    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[274] = orientation
        for name in ("turned.png", "turned.jpg"):
            file = save(tmp_path / name, Image.fromarray(NOISE), exif=exif)
            levels, said = read_picture(file)
            with Image.open(file) as opened:
                expected = ImageOps.exif_transpose(opened)
            assert levels.shape[:2] == (expected.height, expected.width)
            # The fast transform of JPEG is a few levels off; a wrong turn of noise would be a hundred.
            assert np.abs(levels.astype(int) - np.asarray(expected)).mean() < 3
            assert said == ("" if orientation == 1 else "turned upright as its EXIF data say")


@pytest.mark.parametrize(
    ("image", "name", "message"),
    [
        (Image.fromarray(np.full((4, 4), 3000, np.uint16)), "a.png", "8 bits a channel, got a PNG with 16"),
        (
            Image.fromarray(np.full((4, 4), 3000, np.uint16)),
            "a.tif",
            "8 bits a channel and be grey or RGB, got TIFF of I;16",
        ),
        (Image.fromarray(np.full((4, 4), 0.5, np.float32)), "a.tif", "got TIFF of F, 32 bits"),
        (Image.new("CMYK", (4, 4)), "a.jpg", "got a CMYK JPEG"),
        (Image.new("CMYK", (4, 4)), "a.tif", "got TIFF of CMYK"),
    ],
)
def test_pictures_that_would_turn_white_black_or_else(
    tmp_path: Path, image: Image.Image, name: str, message: str
) -> None:
    file = save(tmp_path / name, image)
    with pytest.raises(EpisodeError, match=message):
        read_picture(file)
    with pytest.raises(EpisodeError, match=f"The goal image .*{name} cannot be read: .*{message}"):
        read_goal_images((str(file),))


@pytest.mark.parametrize("form", ["PNG", "BMP", "GIF", "TIFF", "WEBP"])
def test_sizes_are_read_before_pixels(tmp_path: Path, form: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (7, 5)).save(file, form)
    data = bytearray(file.getvalue())
    # Where each format declares its width and height; a lossy WebP has 14 bits for each.
    places = {"PNG": (16, ">I"), "BMP": (18, "<I"), "GIF": (6, "<H")}
    if form not in places:
        pytest.skip("written by Pillow as it is declared: see the next test")
    place, layout = places[form]
    size = np.array([30_000, 30_000]).astype(layout.replace("I", "u4").replace("H", "u2")).tobytes()
    data[place : place + len(size)] = size
    (tmp_path / "bomb").write_bytes(data)
    with pytest.raises(EpisodeError, match=r"30000 x 30000 pixels; between|900000000 pixels.*33,554,432"):
        read_picture(tmp_path / "bomb")


def test_a_large_picture_is_refused_by_its_size(tmp_path: Path) -> None:
    file = save(tmp_path / "wide.webp", Image.new("L", (16_000, 2_100)).convert("RGB"))
    with pytest.raises(EpisodeError, match=r"declares 2100 x 16000 pixels; between 1 and 33,554,432 are read"):
        read_picture(file)


def test_no_file(tmp_path: Path) -> None:
    for path in ("none.png", "x" * 5_000, "a\0b", "~nobody-here/x.png"):
        with pytest.raises(EpisodeError, match="Check the path"):
            read_picture(path)
    with pytest.raises(EpisodeError, match="is no file"):
        read_picture(tmp_path)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(EpisodeError, match="is no picture that can be read"):
        read_picture(tmp_path / "text.png")
