"""Frames that stay JPEG or PNG until one is asked for: in memory, or in a temporary file where they are many megabytes."""

import io
import itertools
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image

from octoscope.array_typing import UInt8
from octoscope.episodes.frames.frames import Frames
from octoscope.episodes.image_codec import decode_image
from octoscope.errors import EpisodeError

_JPEG_MAGIC = b"\xff\xd8\xff"
# Bytes of encoded pictures of one camera: 300 frames of 720p have 100 MB, 100 of 256 x 256 have 2.
_MOST_IN_MEMORY = 16 * 2**20


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


class _Decoder:
    """Keeps encoded pictures, in memory while they are few and in an unnamed temporary file when they are many."""

    def __init__(self, encoded: Iterable[bytes], name: str) -> None:
        self._name = name
        self._lengths: list[int] = []
        self._file = tempfile.SpooledTemporaryFile(max_size=_MOST_IN_MEMORY)  # noqa: SIM115  # closed when the frames go
        weakref.finalize(self, self._file.close)
        try:
            for data in encoded:
                self._file.write(data)
                self._lengths.append(len(data))
        except OSError as error:
            raise EpisodeError(
                f"image '{name}': its encoded pictures cannot be put into a temporary file ({error.strerror}). Make room in "
                f"{tempfile.gettempdir()}, or name another folder with TMPDIR."
            ) from error
        self._starts = [0, *itertools.accumulate(self._lengths)]

    def __call__(self, start: int, stop: int) -> UInt8[np.ndarray, "frame height width 3"]:
        return np.stack([_decode(self._stored(step), self._name, step) for step in range(start, stop)])

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels to other processes with its pictures."""
        return _Decoder, ([self._stored(step) for step in range(len(self._lengths))], self._name)

    def _stored(self, step: int) -> bytes:
        self._file.seek(self._starts[step])
        return self._file.read(self._lengths[step])


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
