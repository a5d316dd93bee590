"""A page of panels: a title, what the panels are of, the panels in rows, and a footnote."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from octoscope.array_typing import UInt8
from octoscope.render.lettering import draw_text, line_height, missing_letters, wrapped
from octoscope.render.palette import PAPER, QUIET_INK

_MARGIN, _GUTTER = 28, 30
_TITLE_SIZE, _SUBTITLE_SIZE, _FOOTNOTE_SIZE = 21, 14, 12
_LEAST_WIDTH = 760


def render_panel_page(
    panels: Sequence[UInt8[np.ndarray, "_ _ 3"]],
    *,
    title: str,
    subtitle: Sequence[str],
    footnote: str = "",
    columns: int | None = None,
    widest: int = 1640,
) -> UInt8[np.ndarray, "height width 3"]:
    """Lays panels out from left to right and from top to bottom, in columns as wide as their widest panel.

    Args:
      panels: Of any size.
      title: Wrapped onto two lines at most.
      subtitle: Lines under the title, each wrapped onto three lines at most.
      footnote: Under the panels, wrapped onto four lines at most; "" for none.
      columns: Panels in a row; by default as many as fit.
      widest: A row of panels is no wider than this many pixels, unless one panel is.

    Raises:
      ValueError: If there is no panel.

    >>> panel = np.zeros((100, 200, 3), np.uint8)
    >>> render_panel_page([panel] * 4, title="four", subtitle=[], columns=2).shape
    (332, 816, 3)
    """
    if not panels:
        raise ValueError("`panels` must hold at least one panel, got none.")
    fitting = (n for n in range(len(panels), 0, -1) if n == 1 or _lefts(panels, n)[-1] - _GUTTER <= widest)
    across = next(fitting) if columns is None else min(len(panels), columns)
    lefts = _lefts(panels, across)
    inner = max(lefts[-1] - _GUTTER, _LEAST_WIDTH)
    subtitle_lines = [
        line
        for text in [*subtitle, *missing_letters([title, *subtitle, footnote])]
        for line in wrapped(text, width=inner, size=_SUBTITLE_SIZE, most_lines=3)
    ]
    foot_lines = wrapped(footnote, width=inner, size=_FOOTNOTE_SIZE, most_lines=4) if footnote else []
    title_lines = wrapped(title, width=inner, size=_TITLE_SIZE, most_lines=2)
    below_title = _MARGIN - 2 + max(1, len(title_lines)) * line_height(_TITLE_SIZE)
    top = below_title + 2 + len(subtitle_lines) * line_height(_SUBTITLE_SIZE) + 18
    rows = [panels[start : start + across] for start in range(0, len(panels), across)]
    heights = [max(panel.shape[0] for panel in row) for row in rows]
    panels_height = sum(heights) + _GUTTER * (len(rows) - 1)
    foot_height = 14 + len(foot_lines) * line_height(_FOOTNOTE_SIZE) if foot_lines else 0
    canvas = Image.new("RGB", (inner + 2 * _MARGIN, top + panels_height + foot_height + _MARGIN), PAPER)
    for index, line in enumerate(title_lines):
        draw_text(canvas, (_MARGIN, _MARGIN - 6 + index * line_height(_TITLE_SIZE)), line, size=_TITLE_SIZE)
    _draw_lines(canvas, subtitle_lines, top=below_title, size=_SUBTITLE_SIZE)
    y = top
    for row, height in zip(rows, heights, strict=True):
        for place, panel in enumerate(row):
            canvas.paste(Image.fromarray(panel), (_MARGIN + lefts[place], y))
        y += height + _GUTTER
    _draw_lines(canvas, foot_lines, top=top + panels_height + 14, size=_FOOTNOTE_SIZE)
    return np.asarray(canvas)


def _lefts(panels: Sequence[UInt8[np.ndarray, "_ _ 3"]], across: int) -> list[int]:
    """Returns where each column begins, and where one more would."""
    widths = [max(panel.shape[1] for panel in panels[column::across]) + _GUTTER for column in range(across)]
    return [sum(widths[:column]) for column in range(across + 1)]


def _draw_lines(canvas: Image.Image, lines: Sequence[str], *, top: int, size: int) -> None:
    for index, line in enumerate(lines):
        draw_text(canvas, (_MARGIN, top + index * line_height(size)), line, size=size, color=QUIET_INK)
