"""A scale strip: the colours of one scale from left to right, the values at its ends, and what they are."""

from dataclasses import dataclass

import numpy as np

from octoscope.render.canvas import Canvas
from octoscope.render.color_scale import ColorScale
from octoscope.render.lettering import line_height, short_number, wrapped
from octoscope.render.palette import QUIET_INK, RULE

_STRIP, _SIZE, _LINES = 14, 12, 4
_BELOW = _STRIP + 4 + line_height(_SIZE)


@dataclass(frozen=True)
class ScaleStrip:
    """What to read one column of tiles by, where columns have scales of their own."""

    scale: ColorScale
    # What the values are; wrapped onto four lines at most.
    label: str


def strip_height(strip: ScaleStrip, width: int) -> int:
    """Returns the height of a strip in pixels.

    >>> strip_height(ScaleStrip(ColorScale(vmax=0.03), "weight"), 120)
    52
    """
    return _BELOW + 2 + len(_label_lines(strip, width)) * line_height(_SIZE)


def draw_scale_strip(canvas: Canvas, at: tuple[int, int], strip: ScaleStrip, *, width: int) -> None:
    """Draws the colours, the values at both ends, 0 where it is in the middle, and the label."""
    left, top = at
    values = strip.scale.value_at(np.linspace(0.0, 1.0, width - 2))
    ramp = strip.scale.colors(values[None].repeat(_STRIP - 2, axis=0))
    rim = [(left, top), (left + width - 1, top), (left + width - 1, top + _STRIP - 1), (left, top + _STRIP - 1)]
    canvas.line([*rim, rim[0]], color=RULE)
    canvas.picture((left + 1, top + 1), ramp)
    first, *middle, last = strip.scale.ticks
    canvas.text((left, top + _STRIP + 3), short_number(first), size=_SIZE)
    for value, fraction in zip(middle, strip.scale.fraction_of(np.array(middle)), strict=True):
        canvas.text((left + fraction * (width - 1), top + _STRIP + 3), short_number(value), size=_SIZE, anchor="ma")
    canvas.text((left + width - 1, top + _STRIP + 3), short_number(last), size=_SIZE, anchor="ra")
    for place, line in enumerate(_label_lines(strip, width)):
        canvas.text((left, top + _BELOW + 2 + place * line_height(_SIZE)), line, size=_SIZE, color=QUIET_INK)


def _label_lines(strip: ScaleStrip, width: int) -> list[str]:
    return wrapped(strip.label, width=width, size=_SIZE, most_lines=_LINES)
