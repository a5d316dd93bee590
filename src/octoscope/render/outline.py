"""Outlines of regions on a picture, one mark for each meaning, and the legend that says which is which.

A mark has a colour and a pattern of its own, so that it is told apart in print and by the colour-blind; a dark line around it
shows it on any picture.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, UInt8
from octoscope.render.canvas import Canvas
from octoscope.render.lettering import line_height, text_width
from octoscope.render.palette import QUIET_INK, Color

_DARK = 20
_SWATCH, _GAP, _SIZE = 26, 18, 12
_LINE = line_height(_SIZE) + 2


@dataclass(frozen=True)
class OutlineMark:
    """How regions of one meaning are outlined."""

    # For the legend: "a sink of this query".
    meaning: str
    color: Color
    # Pixels of the line that are drawn, and that are left dark; (1, 0) is a line without gaps.
    dash: tuple[int, int] = (1, 0)
    # Pixels across.
    width: int = 1


# Every outline of every picture is one of these; no colour of theirs lies on the usual heat scale.
OBJECT = OutlineMark("the object that the episode's instruction names", (255, 255, 255))
SINK = OutlineMark("a sink of this query", (90, 220, 255), dash=(7, 4), width=2)
OUTLIER = OutlineMark("a patch that stands out", (225, 255, 60), dash=(2, 3), width=2)
ASKED = OutlineMark("the patch asked for", (40, 255, 130), width=2)
NEIGHBOR = OutlineMark("the patch most like it", (130, 170, 255), dash=(12, 3), width=2)


def draw_outline(
    picture: UInt8[np.ndarray, "height width 3"],
    region: Bool[np.ndarray, "region_height region_width"],
    mark: OutlineMark = OBJECT,
) -> UInt8[np.ndarray, "height width 3"]:
    """Returns the picture with the region outlined just outside its rim, so that nothing of it is hidden.

    Args:
      picture: RGB, 0..255.
      region: True inside; of any size, it is stretched to the picture.
      mark: What the region is.

    >>> framed = draw_outline(np.full((8, 8, 3), 90, np.uint8), np.eye(4, dtype=bool))
    >>> sorted(set(framed[..., 0].ravel().tolist()))
    [20, 90, 255]
    """
    shape = _stretched(region, picture.shape[:2])
    covered = shape
    for _ in range(mark.width):
        covered = _grown(covered)
    line = covered & ~shape
    dark = _grown(covered) & ~covered
    # Along a horizontal or a vertical line alike.
    along = np.add.outer(np.arange(picture.shape[0]), np.arange(picture.shape[1])) % sum(mark.dash)
    outlined = picture.copy()
    outlined[dark | line] = _DARK
    outlined[line & (along < mark.dash[0])] = mark.color
    return outlined


def outline_legend_height(marks: Iterable[OutlineMark], *, width: int) -> int:
    """Returns how many pixels the legend of these marks takes; 0 without marks.

    >>> outline_legend_height([OBJECT, SINK, OBJECT], width=480), outline_legend_height([], width=480)
    (18, 0)
    """
    return max((top + _LINE for _, _, top in _legend_places(marks, width)), default=0)


def draw_outline_legend(canvas: Canvas, at: tuple[int, int], marks: Iterable[OutlineMark], *, width: int) -> None:
    """Draws each mark once with what it means, in lines no wider than `width`."""
    inside = np.zeros((_LINE - 2, _SWATCH), bool)
    inside[4:-4, 4:-4] = True
    for mark, left, top in _legend_places(marks, width):
        x, y = at[0] + left, at[1] + top
        canvas.picture((x, y), draw_outline(np.full((*inside.shape, 3), 128, np.uint8), inside, mark))
        middle = y + inside.shape[0] // 2
        canvas.text((x + _SWATCH + 8, middle), mark.meaning, size=_SIZE, color=QUIET_INK, anchor="lm")


def _legend_places(marks: Iterable[OutlineMark], width: int) -> list[tuple[OutlineMark, int, int]]:
    """Returns where each mark stands in the legend."""
    places: list[tuple[OutlineMark, int, int]] = []
    x = y = 0
    for mark in dict.fromkeys(marks):
        room = _SWATCH + 8 + text_width(mark.meaning, _SIZE)
        if x and x + room > width:
            x, y = 0, y + _LINE
        places.append((mark, x, y))
        x += room + _GAP
    return places


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
