"""Bars under a column of tiles: what the column's head gives to tokens that no picture shows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float
from octoscope.render.canvas import Canvas
from octoscope.render.lettering import line_height, short_number, shortened, text_width
from octoscope.render.palette import INK, MARK, QUIET_INK, Color

_SIZE, _BAR = 12, 9
_LINE = line_height(_SIZE)
_NUMBER = text_width("0.0001", _SIZE) + 6
_BAR_COLOR: Color = (122, 128, 138)


@dataclass(frozen=True, eq=False)
class BarNames:
    """The names of the bars, right-aligned, in the place of a tile."""

    names: Sequence[str]


@dataclass(frozen=True, eq=False)
class BarColumn:
    """Horizontal bars from 0, in the place of a tile, each with its number; a blue stroke is what even attention would give."""

    # Stands above, as a tile's does: "head 3".
    label: str
    # NaN where nothing is known, which is written instead of a bar.
    values: Float[np.ndarray, " name"]
    # Under even attention.
    even: Float[np.ndarray, " name"]
    # The value of a bar that fills its room.
    top: float


def bars_height(count: int) -> int:
    """Returns the height of so many bars in pixels.

    >>> bars_height(6) == 2 * bars_height(3)
    True
    """
    return count * _LINE


def draw_bar_names(canvas: Canvas, at: tuple[int, int], column: BarNames, *, width: int) -> None:
    """Draws the names; what is too long is shortened."""
    left, top = at
    for line, name in enumerate(column.names):
        middle = top + line * _LINE + _LINE // 2
        text = shortened(name, width=width, size=_SIZE)
        canvas.text((left + width, middle), text, size=_SIZE, color=INK, anchor="rm")


def draw_bar_column(canvas: Canvas, at: tuple[int, int], column: BarColumn, *, width: int) -> None:
    """Draws the bars."""
    left, top = at
    room = width - _NUMBER
    for line, (value, even) in enumerate(zip(column.values, column.even, strict=True)):
        middle = top + line * _LINE + _LINE // 2
        if np.isnan(value):
            canvas.text((left, middle), "not captured", size=_SIZE, color=QUIET_INK, anchor="lm")
            continue
        end = left + _length(float(value), column.top, room)
        low, high = middle - _BAR // 2, middle + _BAR // 2
        canvas.polygon([(left, low), (end, low), (end, high), (left, high)], fill=_BAR_COLOR)
        mark = left + _length(float(even), column.top, room)
        canvas.line([(mark, low - 1), (mark, high + 1)], color=MARK)
        number = short_number(float(value)) if value == 0.0 or value >= 0.001 else "<.001"
        canvas.text((left + width, middle), number, size=_SIZE, color=QUIET_INK, anchor="rm")


def _length(value: float, top: float, room: int) -> int:
    return round(min(value / top, 1.0) * (room - 1))
