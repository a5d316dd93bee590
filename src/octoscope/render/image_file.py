"""Pictures as files: PNG, and JPEG where it is asked for."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from octoscope.array_typing import UInt8
from octoscope.render.atomic_path import atomic_path
from octoscope.render.png import png_bytes

# Colours at full resolution: halved, a cell's colour would leak into its neighbours.
_JPEG = {"quality": 92, "subsampling": 0}


def write_png(path: str | Path, image: UInt8[np.ndarray, "height width 3"]) -> None:
    """Writes a picture losslessly; the file appears whole or not at all, and replaces an earlier one.

    Args:
      path: Of the file; its folder must exist.
      image: RGB, 0..255.

    Raises:
      OutputError: If the file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_png(f"{folder}/red.png", np.full((2, 2, 3), (255, 0, 0), np.uint8))
    ...     with Image.open(f"{folder}/red.png") as opened:
    ...         opened.getpixel((0, 0))
    (255, 0, 0)
    """
    with atomic_path(path) as part:
        part.write_bytes(png_bytes(image))


def write_jpeg(path: str | Path, image: UInt8[np.ndarray, "height width 3"]) -> None:
    """Writes a picture in a third of a PNG's time; colours are a few levels off, so do not measure them.

    Args:
      path: Of the file; its folder must exist.
      image: RGB, 0..255.

    Raises:
      OutputError: If the file cannot be written.
    """
    with atomic_path(path) as part:
        Image.fromarray(image).save(part, format="JPEG", **_JPEG)


def jpeg_bytes(image: UInt8[np.ndarray, "height width 3"], *, quality: int) -> bytes:
    """Returns a picture as JPEG, to be looked at small.

    Args:
      image: RGB, 0..255.
      quality: 1..95.
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="JPEG", quality=quality)
    return file.getvalue()
