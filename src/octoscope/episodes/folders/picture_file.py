"""A picture file as a camera's frame: RGB of 8 bits, upright as its EXIF says, decoded exactly as Pillow does."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from octoscope.array_typing import UInt8
from octoscope.errors import EpisodeError

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
_ORIENTATION = 0x0112
_LYING = (5, 6, 7, 8)
# Pillow raises SyntaxError and ValueError for some broken files.
_BROKEN = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def picture_size(path: Path) -> tuple[int, int]:
    """Returns height and width of the upright picture, from its header.

    Raises:
      EpisodeError: If it cannot be read.
    """
    try:
        with Image.open(path, formats=["PNG", "JPEG"]) as picture:
            height, width = picture.height, picture.width
            lying = picture.getexif().get(_ORIENTATION) in _LYING
    except _BROKEN as error:
        raise EpisodeError(_unreadable(path, error)) from error
    return (width, height) if lying else (height, width)


def read_picture(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    """Returns the pixels of an upright picture; grey and palette become RGB, alpha is dropped and not blended.

    Raises:
      EpisodeError: If it cannot be read, or has 16 bits a channel.
    """
    try:
        with path.open("rb") as file, Image.open(file, formats=["PNG", "JPEG"]) as picture:
            file.seek(24)
            # Pillow would cut 16 bits to the upper 8 without a word; byte 24 of a PNG is its bits a channel.
            if picture.format == "PNG" and file.read(1) == b"\x10":
                raise EpisodeError(f"{path}: a picture must have 8 bits a channel, got 16. Write it with 8.")
            file.seek(0)
            return np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    except _BROKEN as error:
        raise EpisodeError(_unreadable(path, error)) from error


def _unreadable(path: Path, error: Exception) -> str:
    return f"{path}: cannot be read as a PNG or JPEG picture ({error}). Copy or make it again."
