"""An interval panel: a named dot for each mean, and a line for its interval, on one linear scale."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from octoscope.array_typing import Float, UInt8
from octoscope.render.lettering import draw_text, line_height, short_number, shortened, text_width
from octoscope.render.palette import INK, MARK, PAPER, QUIET_INK, RULE
from octoscope.render.ticks import round_ticks

_TITLE_SIZE, _TEXT_SIZE = 14, 12
_LINE, _RADIUS = 20, 4


def render_interval_panel(
    means: Float[np.ndarray, " row"],
    *,
    lows: Float[np.ndarray, " row"],
    highs: Float[np.ndarray, " row"],
    labels: Sequence[str],
    title: str,
    counts: Sequence[int] = (),
    marked: Sequence[int] = (),
    width: int = 400,
    label_width: int = 140,
) -> UInt8[np.ndarray, "height {width} 3"]:
    """Draws a dot for each mean and a line from low to high; the scale holds all of them and 0, which has a line of its own.

    Args:
      means: NaN where there is none: then the row says so.
      lows: Lower ends; NaN for no interval.
      highs: Upper ends.
      labels: One a row, shortened where they are too wide.
      title: Stands above.
      counts: Values behind each mean, written beside it; none by default.
      marked: Rows that are drawn in blue, such as those that others are compared with.
      width: Of the panel, in pixels.
      label_width: Room for the labels.

    >>> means = np.array([0.5, 0.2])
    >>> render_interval_panel(means, lows=means - 0.1, highs=means + 0.1, labels=["rollout", "random"], title="AUC").shape
    (89, 400, 3)
    """
    known = np.concatenate([means, lows, highs, [0.0]])
    known = known[~np.isnan(known)]
    bottom, top = float(known.min()), float(known.max())
    top = top if top > bottom else bottom + 1.0
    above = line_height(_TITLE_SIZE) + 8
    below = above + _LINE * len(labels)
    canvas = Image.new("RGB", (width, below + 22), PAPER)
    draw = ImageDraw.Draw(canvas)
    draw_text(canvas, (0, 2), shortened(title, width=width, size=_TITLE_SIZE), size=_TITLE_SIZE)
    told = [f"  n = {count}" for count in counts] or [""] * len(labels)
    left = label_width + 12
    room = width - left - text_width("0.000", _TEXT_SIZE) - max(text_width(text, _TEXT_SIZE) for text in told) - 16

    def across(value: float) -> int:
        return left + round((value - bottom) / (top - bottom) * room)

    for tick in round_ticks(bottom, top, most=5):
        x = across(tick)
        draw.line((x, above, x, below), fill=QUIET_INK if tick == 0 else RULE)
        draw_text(canvas, (x, below + 4), short_number(tick), size=_TEXT_SIZE, color=QUIET_INK, anchor="ma")
    for row, label in enumerate(labels):
        middle = above + row * _LINE + _LINE // 2
        color = MARK if row in marked else INK
        text = shortened(label, width=label_width, size=_TEXT_SIZE)
        draw_text(canvas, (label_width, middle), text, size=_TEXT_SIZE, color=color, anchor="rm")
        if np.isnan(means[row]):
            draw_text(canvas, (left + 2, middle), "no data", size=_TEXT_SIZE, color=QUIET_INK, anchor="lm")
            continue
        if not np.isnan(lows[row]):
            draw.line((across(float(lows[row])), middle, across(float(highs[row])), middle), fill=color, width=2)
        x = across(float(means[row]))
        draw.ellipse((x - _RADIUS, middle - _RADIUS, x + _RADIUS, middle + _RADIUS), fill=color)
        text = f"{means[row]:.3f}{told[row]}"
        draw_text(canvas, (width - 2, middle), text, size=_TEXT_SIZE, color=QUIET_INK, anchor="rm")
    return np.asarray(canvas)
