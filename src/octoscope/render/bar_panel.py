"""A bar panel: a few named numbers as bars, each with its number, and a mark for what even attention would give."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from octoscope.array_typing import Float, UInt8
from octoscope.render.lettering import draw_text, line_height, shortened, text_width
from octoscope.render.palette import MARK, PAPER, QUIET_INK, RULE, Color

_TITLE_SIZE, _TEXT_SIZE = 14, 12
_LINE, _BAR = 19, 11
_BAR_COLOR: Color = (122, 128, 138)


def render_bar_panel(
    values: Float[np.ndarray, " bar"],
    *,
    labels: Sequence[str],
    title: str,
    top: float,
    even: Float[np.ndarray, " bar"] | None = None,
    width: int = 330,
    label_width: int = 120,
) -> UInt8[np.ndarray, "height {width} 3"]:
    """Draws a bar for each value on one linear scale from 0 to `top`; the blue stroke is the value under even attention.

    Args:
      values: 0 or more.
      labels: One a bar, shortened where they are too wide.
      title: Stands above.
      top: What the longest possible bar stands for. Give panels of one page the same.
      even: Under even attention, one a bar.
      width: Of the panel, in pixels.
      label_width: Room for the labels.

    >>> render_bar_panel(np.array([0.25, 0.75]), labels=["words", "primary t"], title="layer 0", top=1.0).shape
    (68, 330, 3)
    """
    above = line_height(_TITLE_SIZE) + 6
    canvas = Image.new("RGB", (width, above + _LINE * len(labels) + 5), PAPER)
    draw = ImageDraw.Draw(canvas)
    draw_text(canvas, (0, 2), shortened(title, width=width, size=_TITLE_SIZE), size=_TITLE_SIZE)
    left, number_width = label_width + 8, text_width("0.000", _TEXT_SIZE) + 8
    room = width - left - number_width
    draw.line((left - 1, above, left - 1, above + _LINE * len(labels)), fill=RULE)
    for index, (label, value) in enumerate(zip(labels, values, strict=True)):
        middle = above + index * _LINE + _LINE // 2
        text = shortened(label, width=label_width, size=_TEXT_SIZE)
        draw_text(canvas, (label_width, middle), text, size=_TEXT_SIZE, anchor="rm")
        if np.isnan(value):
            draw_text(canvas, (left + 2, middle), "no data", size=_TEXT_SIZE, color=QUIET_INK, anchor="lm")
            continue
        end = left + round(float(value) / top * room)
        if end > left:
            draw.rectangle((left, middle - _BAR // 2, end - 1, middle + _BAR // 2), fill=_BAR_COLOR)
        if even is not None and not np.isnan(even[index]):
            mark = left + round(float(even[index]) / top * room)
            draw.rectangle((mark - 1, middle - _BAR // 2 - 2, mark, middle + _BAR // 2 + 2), fill=MARK)
        # In a column of their own: beside a bar, a number may seem to be the mark's.
        draw_text(canvas, (width - 2, middle), f"{value:.3f}", size=_TEXT_SIZE, color=QUIET_INK, anchor="rm")
    return np.asarray(canvas)
