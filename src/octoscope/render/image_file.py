"""Pictures as PNG files; saving one costs about a third of what drawing a sheet costs."""

from pathlib import Path

import numpy as np
from PIL import Image

from octoscope.array_typing import UInt8
from octoscope.render.atomic_path import atomic_path

# A 12-head sheet of 1758 x 1544 pixels takes 52 ms and 642 KiB at level 2; 51 ms and 682 KiB at level 1; 105 ms and 501 KiB at Pillow's
# default of 6. The strategies Z_HUFFMAN_ONLY (70 ms, 1829 KiB), Z_RLE (53 ms, 1168 KiB) and Z_FIXED (50 ms, 874 KiB) lose: the large
# even areas and repeated cells of a sheet are what deflate's string matching is good at.
_COMPRESS_LEVEL = 2


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
        Image.fromarray(image).save(part, format="PNG", compress_level=_COMPRESS_LEVEL)
