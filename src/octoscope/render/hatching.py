"""Hatching: the mark of cells that hold no data, which is something else than a low value."""

import functools

import numpy as np

from octoscope.array_typing import Bool, UInt8
from octoscope.render.palette import HATCH_DARK, HATCH_LIGHT, rgb_array


def hatch_strokes(height: int, width: int, *, period: int = 6) -> Bool[np.ndarray, "height width"]:
    """Returns where diagonal strokes lie; strokes of neighbouring cells of one picture join.

    Args:
      height: In pixels.
      width: In pixels.
      period: Pixels from stroke to stroke along a row; a third of it is stroke.

    >>> hatch_strokes(2, 6).astype(int)
    array([[1, 1, 0, 0, 0, 0],
           [1, 0, 0, 0, 0, 1]])
    """
    return (np.arange(height)[:, None] + np.arange(width)[None, :]) % period < period // 3


@functools.lru_cache(maxsize=16)
def hatch_image(height: int, width: int) -> UInt8[np.ndarray, "height width 3"]:
    """Returns light strokes on grey, the look of "no data" in every picture of this package; nobody may change it.

    >>> hatch_image(4, 9).shape
    (4, 9, 3)
    """
    strokes = hatch_strokes(height, width)[..., None]
    image = np.where(strokes, rgb_array(HATCH_LIGHT), rgb_array(HATCH_DARK))
    image.flags.writeable = False
    return image
