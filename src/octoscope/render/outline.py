"""The outline of a region on a picture: a white line on the region's rim, and a dark one around it, to be seen on any colour."""

import numpy as np

from octoscope.array_typing import Bool, UInt8

_LIGHT, _DARK = 255, 20


def draw_outline(
    picture: UInt8[np.ndarray, "height width 3"], region: Bool[np.ndarray, "region_height region_width"]
) -> UInt8[np.ndarray, "height width 3"]:
    """Returns the picture with the region outlined just outside its rim, so that nothing of it is hidden.

    Args:
      picture: RGB, 0..255.
      region: True inside; of any size, it is stretched to the picture.

    >>> framed = draw_outline(np.full((8, 8, 3), 90, np.uint8), np.eye(4, dtype=bool))
    >>> sorted(set(framed[..., 0].ravel().tolist()))
    [20, 90, 255]
    """
    shape = _stretched(region, picture.shape[:2])
    white = _grown(shape) & ~shape
    dark = _grown(shape | white) & ~shape & ~white
    outlined = picture.copy()
    outlined[dark] = _DARK
    outlined[white] = _LIGHT
    return outlined


def _stretched(
    region: Bool[np.ndarray, "region_height region_width"], size: tuple[int, ...]
) -> Bool[np.ndarray, "height width"]:
    rows, columns = (
        ((np.arange(pixels) + 0.5) / pixels * length).astype(int)
        for pixels, length in zip(size, region.shape, strict=True)
    )
    return region[np.ix_(rows, columns)]


def _grown(shape: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    padded = np.pad(shape, 1)
    sides = (padded[2:, 1:-1], padded[:-2, 1:-1], padded[1:-1, 2:], padded[1:-1, :-2])
    return np.logical_or.reduce([shape, *sides])
