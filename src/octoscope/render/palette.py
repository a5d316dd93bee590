"""The few colours outside the heat: paper, ink, and what marks the absence of data. All RGB, 0..255."""

import numpy as np

from octoscope.array_typing import UInt8

Color = tuple[int, int, int]

PAPER: Color = (255, 255, 255)
INK: Color = (26, 28, 33)
QUIET_INK: Color = (104, 109, 118)
RULE: Color = (205, 208, 213)
# Blue, because no heat map goes through it at a lightness that reads on paper.
MARK: Color = (0, 98, 177)
HATCH_DARK: Color = (138, 141, 146)
HATCH_LIGHT: Color = (190, 192, 196)


def rgb_array(color: Color) -> UInt8[np.ndarray, "3"]:
    """Returns a colour as one pixel of a picture.

    >>> rgb_array(PAPER).tolist()
    [255, 255, 255]
    """
    return np.array(color, np.uint8)
