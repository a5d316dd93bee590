"""Encoded pictures as RGB arrays and back; JPEG is decoded exactly as TensorFlow decodes it.

TensorFlow takes the fast, less exact cosine transform, and policies were trained on what it gives; Pillow's decode
of the same bytes differs by up to 17 levels of 255.
"""

import io

import numpy as np
import simplejpeg
from PIL import Image

from octoscope.array_typing import UInt8
from octoscope.errors import EpisodeError

_JPEG_MAGIC = b"\xff\xd8\xff"
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def is_encoded_image(data: bytes) -> bool:
    """Returns whether the bytes begin like a JPEG or a PNG picture.

    >>> is_encoded_image(b"put carrot on plate")
    False
    """
    return data.startswith((_JPEG_MAGIC, _PNG_MAGIC))


def decode_image(data: bytes) -> UInt8[np.ndarray, "height width 3"]:
    """Returns the RGB pixels (0..255) of a JPEG or PNG picture.

    Grey becomes three equal channels; an alpha channel is dropped, not blended.

    Raises:
      EpisodeError: If the bytes are empty, damaged, of another format, or a PNG of 16-bit grey values (a depth map).

    Example:
      >>> decode_image(encode_png(np.zeros((4, 6, 3), np.uint8))).shape
      (4, 6, 3)
    """
    if data.startswith(_JPEG_MAGIC):
        return _decode_jpeg(data)
    if data.startswith(_PNG_MAGIC):
        return _decode_png(data)
    found = f"{len(data)} bytes that begin with {data[:8]!r}" if data else "no bytes at all"
    raise EpisodeError(
        f"an encoded image must be JPEG or PNG, got {found}. Re-encode the dataset's images as one of these."
    )


def encode_png(image: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """Returns the picture as PNG bytes, from which `decode_image` gives back the same pixels.

    >>> encode_png(np.zeros((4, 6, 3), np.uint8))[:4]
    b'\\x89PNG'
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", optimize=True)
    return file.getvalue()


def _decode_jpeg(data: bytes) -> UInt8[np.ndarray, "height width 3"]:
    try:
        return simplejpeg.decode_jpeg(data, colorspace="RGB", fastdct=True, fastupsample=False)
    except ValueError as error:
        raise EpisodeError(_damaged("JPEG", data, error)) from error


def _decode_png(data: bytes) -> UInt8[np.ndarray, "height width 3"]:
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            mode = picture.mode
            rgb = np.array(picture.convert("RGB"))
    # Pillow raises SyntaxError for broken chunks and ValueError for impossible sizes.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise EpisodeError(_damaged("PNG", data, error)) from error
    if mode.startswith("I"):
        raise EpisodeError("a camera image must have 8 bits a channel, got a 16-bit grey PNG. Choose a colour camera.")
    return rgb


def _damaged(image_format: str, data: bytes, error: Exception) -> str:
    return (
        f"a {image_format} image of {len(data)} bytes cannot be decoded ({error}). "
        "Its bytes were damaged before they were stored, since the record's checksum holds."
    )
