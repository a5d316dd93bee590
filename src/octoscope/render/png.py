"""PNG bytes of a picture, in less than half the time of general encoders: one filter for all lines, so none is tried out.

Format: https://www.w3.org/TR/png-3/
"""

import struct
import zlib

import numpy as np

from octoscope.array_typing import UInt8

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB_8 = (8, 2, 0, 0, 0)
# Every line holds its difference to the line above. Sheets of 1.4 to 2.4 million pixels take 0.43 of Pillow's time at level 2, and 5 to
# 15 % more bytes. The strategies Z_HUFFMAN_ONLY (0.7 to 1.0, 3 times the bytes) and Z_RLE (0.43 to 0.5, twice the bytes) lose to the
# default: the large even areas and repeated cells of a sheet are what deflate's string matching is good at.
_UP = 2
_LEVEL = 1


def png_bytes(image: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """Returns a picture as the bytes of a PNG file, losslessly.

    Args:
      image: RGB, 0..255.

    >>> png_bytes(np.zeros((4, 4, 3), np.uint8))[1:4]
    b'PNG'
    """
    height, width, _ = image.shape
    lines = image.reshape(height, width * 3)
    filtered = np.empty((height, 1 + width * 3), np.uint8)
    filtered[:, 0] = _UP
    filtered[:1, 1:] = lines[:1]
    np.subtract(lines[1:], lines[:-1], out=filtered[1:, 1:])
    header = struct.pack(">II5B", width, height, *_RGB_8)
    data = zlib.compress(filtered.data, _LEVEL)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
