"""Frames that stay JPEG or PNG in memory until one is asked for."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import simplejpeg
from PIL import Image

from octoscope.array_typing import UInt8
from octoscope.episodes.frames.frames import Frames
from octoscope.episodes.image_codec import decode_image
from octoscope.errors import EpisodeError

_JPEG_MAGIC = b"\xff\xd8\xff"


def encoded_frames(encoded: Sequence[bytes], *, name: str) -> Frames:
    """Returns the frames of one camera; only their headers are read yet.

    Args:
      encoded: JPEG or PNG bytes, one each step, at least one.
      name: What the camera is called, for the messages.

    Raises:
      EpisodeError: If one is no JPEG or PNG picture, or they differ in size.

    Example:
      >>> from octoscope.episodes.image_codec import encode_png
      >>> encoded_frames([encode_png(np.zeros((4, 6, 3), np.uint8))] * 2, name="wrist").shape
      (2, 4, 6, 3)
    """
    sizes = {_size(data, name, step) for step, data in enumerate(encoded)}
    if len(sizes) != 1:
        raise EpisodeError(
            f"image '{name}' must keep its (height, width) through the episode, got {sorted(sizes)}. Choose another camera."
        )
    return Frames(_Decoder(encoded, name), shape=(len(encoded), *sizes.pop(), 3))


@dataclass(frozen=True)
class _Decoder:
    encoded: Sequence[bytes]
    name: str

    def __call__(self, start: int, stop: int) -> UInt8[np.ndarray, "frame height width 3"]:
        return np.stack([_decode(self.encoded[step], self.name, step) for step in range(start, stop)])


def _decode(data: bytes, name: str, step: int) -> UInt8[np.ndarray, "height width 3"]:
    try:
        return decode_image(data)
    except EpisodeError as error:
        raise EpisodeError(f"image '{name}', step {step}: {error}") from error


def _size(data: bytes, name: str, step: int) -> tuple[int, int]:
    """Returns height and width, from the header where that can be read."""
    try:
        if data.startswith(_JPEG_MAGIC):
            height, width, *_ = simplejpeg.decode_jpeg_header(data)
            return int(height), int(width)
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            return picture.height, picture.width
    # Pillow raises SyntaxError and ValueError for some broken files; decoding says what is wrong in our words.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return _decode(data, name, step).shape[:2]
