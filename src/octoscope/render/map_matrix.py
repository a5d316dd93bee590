"""A matrix of small maps: for each cell of a grid its map of all cells, at its own place."""

import numpy as np
from PIL import Image

from octoscope.array_typing import Float, UInt8
from octoscope.render.color_scale import ColorScale
from octoscope.render.lettering import draw_text, line_height, text_width, wrapped
from octoscope.render.palette import PAPER, QUIET_INK

_TITLE_SIZE, _TEXT_SIZE = 14, 12
_BAR_HEIGHT, _GAP = 10, 3


def render_map_matrix(
    maps: Float[np.ndarray, "row column other_row other_column"],
    *,
    title: str,
    scale: ColorScale,
    note: str = "",
    widest: int = 460,
) -> UInt8[np.ndarray, "height width 3"]:
    """Draws the map of cell (row, column) at (row, column) of the matrix; under it the scale and a note.

    Args:
      maps: One map for each cell; a map has the size of the matrix.
      title: Stands above, two lines at most.
      scale: From value to colour, one for all maps.
      note: Wrapped under the scale, four lines at most.
      widest: Pixels that the matrix may take; cells have whole pixels, at least one.

    >>> render_map_matrix(np.ones((2, 2, 2, 2)), title="ones", scale=ColorScale(vmax=1.0), widest=43).shape[1]
    210
    """
    rows, columns = maps.shape[:2]
    cell = max(1, ((widest + _GAP) // max(rows, columns) - _GAP) // max(rows, columns))
    high, wide = rows * cell + _GAP, columns * cell + _GAP
    width = max(columns * wide - _GAP, 210)
    titles = wrapped(title, width=width, size=_TITLE_SIZE, most_lines=2)
    notes = wrapped(note, width=width, size=_TEXT_SIZE - 1, most_lines=5) if note else []
    top = len(titles) * line_height(_TITLE_SIZE) + 8
    under = top + rows * high - _GAP + 10
    height = under + _BAR_HEIGHT + 6 + line_height(_TEXT_SIZE) + len(notes) * line_height(_TEXT_SIZE - 1)
    canvas = Image.new("RGB", (width, height), PAPER)
    for index, line in enumerate(titles):
        draw_text(canvas, (0, 2 + index * line_height(_TITLE_SIZE)), line, size=_TITLE_SIZE)
    for row, column in np.ndindex(rows, columns):
        picture = scale.colors(maps[row, column]).repeat(cell, axis=0).repeat(cell, axis=1)
        canvas.paste(Image.fromarray(picture), (column * wide, top + row * high))
    ramp = scale.vmin + (scale.vmax - scale.vmin) * (np.arange(width) + 0.5) / width
    canvas.paste(Image.fromarray(np.repeat(scale.colors(ramp)[None], _BAR_HEIGHT, axis=0)), (0, under))
    below, upper = under + _BAR_HEIGHT + 3, f"{scale.vmax:.3g}"
    draw_text(canvas, (0, below), f"{scale.vmin:.3g}", size=_TEXT_SIZE, color=QUIET_INK)
    draw_text(canvas, (width - text_width(upper, _TEXT_SIZE), below), upper, size=_TEXT_SIZE, color=QUIET_INK)
    for index, line in enumerate(notes):
        y = below + line_height(_TEXT_SIZE) + index * line_height(_TEXT_SIZE - 1)
        draw_text(canvas, (0, y), line, size=_TEXT_SIZE - 1, color=QUIET_INK)
    return np.asarray(canvas)
