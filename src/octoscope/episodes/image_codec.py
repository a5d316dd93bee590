"""Encoded pictures as RGB arrays and back; JPEG is decoded exactly as TensorFlow decodes it.

TensorFlow takes the fast, less exact cosine transform, and policies were trained on what it gives; Pillow's decode
of the same bytes differs by up to 17 levels of 255.

A header of a few hundred bytes can declare a gigabyte of pixels, so the size is read, and bounded, before any pixel is.
"""

import io
import struct

import numpy as np
import simplejpeg
from PIL import Image

from octoscope.array_typing import UInt8
from octoscope.errors import EpisodeError

_JPEG_MAGIC = b"\xff\xd8\xff"
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
# The first chunk of a PNG: its length and name, then width, height, bits a channel and colour type.
_PNG_HEADER = struct.Struct(">I4sIIBB")
# One frame of 8K video. Decoding takes up to 9 bytes a pixel (a progressive JPEG), 300 MB.
MOST_PIXELS = 2**25


def is_encoded_image(data: bytes) -> bool:
    """Returns whether the bytes begin like a JPEG or a PNG picture.

    >>> is_encoded_image(b"put carrot on plate")
    False
    """
    return data.startswith((_JPEG_MAGIC, _PNG_MAGIC))


def image_size(data: bytes) -> tuple[int, int]:
    """Returns the height and width that a JPEG or PNG declares, without decoding a pixel.

    Raises:
      EpisodeError: If the bytes are empty, damaged, of another format, or declare more than `MOST_PIXELS`.

    Example:
      >>> image_size(encode_png(np.zeros((4, 6, 3), np.uint8)))
      (4, 6)
    """
    if data.startswith(_JPEG_MAGIC):
        height, width = _jpeg_header(data)[:2]
    elif data.startswith(_PNG_MAGIC):
        height, width = _png_header(data)[:2]
    else:
        content = f"{len(data)} bytes that begin with {data[:8]!r}" if data else "no bytes at all"
        raise EpisodeError(
            f"an encoded image must be JPEG or PNG, got {content}. Re-encode the dataset's images as one of these."
        )
    check_pixels(height, width, what=f"an image of {len(data)} bytes")
    return height, width


def check_pixels(height: int, width: int, *, what: str) -> None:
    """Refuses a picture of no pixels, or of more than `MOST_PIXELS`.

    Args:
      height: As declared, in pixels.
      width: As declared, in pixels.
      what: The picture, for the message.

    Raises:
      EpisodeError: If the size is out of bounds.
    """
    if not 0 < height * width <= MOST_PIXELS:
        raise EpisodeError(
            f"{what} declares {height} x {width} pixels; between 1 and {MOST_PIXELS:,} are read (a frame of 8K video). "
            "Check where it comes from, or make it smaller."
        )


def decode_image(data: bytes) -> UInt8[np.ndarray, "height width 3"]:
    """Returns the RGB pixels (0..255) of a JPEG or PNG picture.

    Grey becomes three equal channels; an alpha channel is dropped, not blended.

    Raises:
      EpisodeError: If the bytes are empty, damaged, of another format, larger than `MOST_PIXELS`, CMYK, or have 16 bits a
        channel (as depth maps do): brought to 8 bits, these would show something else.

    Example:
      >>> decode_image(encode_png(np.zeros((4, 6, 3), np.uint8))).shape
      (4, 6, 3)
    """
    image_size(data)
    return _decode_jpeg(data) if data.startswith(_JPEG_MAGIC) else _decode_png(data)


def encode_png(image: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """Returns the picture as PNG bytes, from which `decode_image` gives back the same pixels.

    >>> encode_png(np.zeros((4, 6, 3), np.uint8))[:4]
    b'\\x89PNG'
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", optimize=True)
    return file.getvalue()


def _jpeg_header(data: bytes) -> tuple[int, int, str]:
    """Returns height, width and colour space."""
    try:
        height, width, color_space, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        raise EpisodeError(_damaged("JPEG", data, error)) from error
    return int(height), int(width), color_space


def _png_header(data: bytes) -> tuple[int, int, int]:
    """Returns height, width and bits a channel."""
    try:
        _, name, width, height, bits, _ = _PNG_HEADER.unpack_from(data, len(_PNG_MAGIC))
    except struct.error as error:
        raise EpisodeError(_damaged("PNG", data, error)) from error
    if name != b"IHDR":
        raise EpisodeError(_damaged("PNG", data, ValueError(f"it begins with a chunk {name!r}")))
    return height, width, bits


def _decode_jpeg(data: bytes) -> UInt8[np.ndarray, "height width 3"]:
    if (color_space := _jpeg_header(data)[2]) in ("CMYK", "YCCK"):
        raise EpisodeError(f"a picture must be grey or RGB, got a {color_space} JPEG (made for print). Save it as RGB.")
    try:
        return simplejpeg.decode_jpeg(data, colorspace="RGB", fastdct=True, fastupsample=False)
    except ValueError as error:
        raise EpisodeError(_damaged("JPEG", data, error)) from error


def _decode_png(data: bytes) -> UInt8[np.ndarray, "height width 3"]:
    if (bits := _png_header(data)[2]) > 8:
        raise EpisodeError(
            f"a picture must have 8 bits a channel, got a PNG with {bits} (a depth map has, or a scan). "
            "Choose a colour camera, or bring the picture to 0..255 yourself and save it with 8 bits."
        )
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            return np.array(picture.convert("RGB"))
    # Pillow raises SyntaxError for broken chunks and ValueError for impossible sizes.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise EpisodeError(_damaged("PNG", data, error)) from error


def _damaged(image_format: str, data: bytes, error: Exception) -> str:
    return f"a {image_format} image of {len(data)} bytes cannot be decoded ({error}). Its bytes are damaged."
