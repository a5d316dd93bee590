import contextlib
import io
import tracemalloc

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from octoscope.episodes.image_codec import decode_image, encode_png, image_size, is_encoded_image
from octoscope.errors import EpisodeError


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_png_round_trip_is_exact(noise: np.ndarray) -> None:
    data = encode_png(noise)
    assert is_encoded_image(data)
    np.testing.assert_array_equal(decode_image(data), noise)


def test_jpeg_takes_the_fast_transform(noise: np.ndarray) -> None:
    data = simplejpeg.encode_jpeg(noise, quality=75)
    assert is_encoded_image(data)
    expected = simplejpeg.decode_jpeg(data, colorspace="RGB", fastdct=True, fastupsample=False)
    np.testing.assert_array_equal(decode_image(data), expected)
    # The accurate transform gives other pixels: without the difference this test would say nothing.
    assert (expected != simplejpeg.decode_jpeg(data, colorspace="RGB", fastdct=False)).any()


def test_grey_becomes_three_equal_channels(noise: np.ndarray) -> None:
    grey = noise[:, :, 0]
    np.testing.assert_array_equal(decode_image(png(Image.fromarray(grey))), np.stack([grey] * 3, axis=-1))
    jpeg = decode_image(simplejpeg.encode_jpeg(np.ascontiguousarray(grey[..., None]), colorspace="GRAY"))
    assert jpeg.shape == (20, 30, 3)
    assert (jpeg == jpeg[:, :, :1]).all()


def test_alpha_is_dropped_not_blended(noise: np.ndarray) -> None:
    alpha = np.full((20, 30, 1), 7, np.uint8)
    data = png(Image.fromarray(np.concatenate([noise, alpha], axis=-1)))
    np.testing.assert_array_equal(decode_image(data), noise)


def test_palette_is_looked_up(noise: np.ndarray) -> None:
    palette = Image.fromarray(noise).quantize(16)
    np.testing.assert_array_equal(decode_image(png(palette)), np.array(palette.convert("RGB")))


def test_more_than_8_bits_a_channel_is_refused() -> None:
    with pytest.raises(EpisodeError, match="8 bits a channel, got a PNG with 16"):
        decode_image(png(Image.fromarray(np.full((4, 4), 3000, np.uint16))))
    # Colour with 16 bits, which Pillow does not write: it would be cut to its upper 8 bits without a word.
    data = bytearray(png(Image.new("RGB", (4, 4))))
    data[24] = 16
    with pytest.raises(EpisodeError, match="8 bits a channel, got a PNG with 16"):
        decode_image(bytes(data))


def test_jpeg_for_print_is_refused() -> None:
    file = io.BytesIO()
    Image.new("CMYK", (8, 8)).save(file, "JPEG")
    with pytest.raises(EpisodeError, match="got a CMYK JPEG"):
        decode_image(file.getvalue())


def declaring(data: bytes, height: int, width: int) -> bytes:
    """Returns a picture whose header declares another size."""
    sizes = height.to_bytes(4, "big"), width.to_bytes(4, "big")
    if data.startswith(b"\x89PNG"):
        return data[:16] + sizes[1] + sizes[0] + data[24:]
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + sizes[0][2:] + sizes[1][2:] + data[place + 4 :]


def test_size_is_read_before_pixels(noise: np.ndarray) -> None:
    for data in (encode_png(noise), simplejpeg.encode_jpeg(noise)):
        assert image_size(data) == (20, 30)
        assert image_size(declaring(data, 4_320, 7_680)) == (4_320, 7_680)
        # Under a hundred kilobytes of memory where the pixels would take 1.2 GB.
        tracemalloc.start()
        with pytest.raises(EpisodeError, match=r"declares 20000 x 20000 pixels; between 1 and 33,554,432 are read"):
            decode_image(declaring(data, 20_000, 20_000))
        assert tracemalloc.get_traced_memory()[1] < 100_000
        tracemalloc.stop()
    with pytest.raises(EpisodeError, match="declares 0 x 30 pixels"):
        decode_image(declaring(encode_png(noise), 0, 30))


@pytest.mark.parametrize(("data", "found"), [(b"", "no bytes at all"), (b"GIF89a..", "8 bytes that begin with b'GIF")])
def test_other_bytes_are_refused(data: bytes, found: str) -> None:
    with pytest.raises(EpisodeError, match=f"must be JPEG or PNG, got {found}"):
        decode_image(data)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated_image(noise: np.ndarray, share: float) -> None:
    for data in (encode_png(noise), simplejpeg.encode_jpeg(noise)):
        with pytest.raises(EpisodeError, match="cannot be decoded"):
            decode_image(data[: int(len(data) * share)])


def test_damage_anywhere_never_escapes_as_another_error(noise: np.ndarray) -> None:
    random = np.random.default_rng(1)
    for data in (encode_png(noise), simplejpeg.encode_jpeg(noise)):
        for _ in range(300):
            damaged = bytearray(data)
            damaged[random.integers(4, 60)] = random.integers(0, 256)
            with contextlib.suppress(EpisodeError):
                decode_image(bytes(damaged))
