"""A heat panel: a labelled grid of numbers, layers by heads say, each cell in its colour and with its number."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from octoscope.array_typing import Float, UInt8
from octoscope.render.color_scale import ColorScale
from octoscope.render.hatching import hatch_image
from octoscope.render.lettering import draw_rising_text, draw_text, line_height, shortened, text_width, wrapped
from octoscope.render.palette import INK, MARK, PAPER, QUIET_INK

_TITLE_SIZE, _TEXT_SIZE, _NUMBER_SIZE = 14, 12, 11
_CELL_WIDTH, _CELL_HEIGHT, _NARROWEST = 38, 24, 4
_BAR_HEIGHT, _LEAST_WIDTH = 10, 210
# Numbers are written into cells while there are so few columns.
_MOST_NUMBERED = 16


def render_heat_panel(
    values: Float[np.ndarray, "row column"],
    *,
    title: str,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    scale: ColorScale,
    row_name: str = "layer",
    column_name: str = "head",
    note: str = "",
    even: float | None = None,
    widest: int = 640,
    numbers: bool | None = None,
    cell_size: tuple[int, int] | None = None,
    bar: bool = True,
) -> UInt8[np.ndarray, "height width 3"]:
    """Draws the grid, under it the scale from lowest to highest colour, and a note.

    Cells without data (NaN) are hatched. Up to 16 columns each cell has its number written in it, with two digits; with more, cells
    are narrow and only the scale tells values. A blue mark on the scale is what even attention would give. Where a column's label is wider
    than its cells, all are written upwards.

    Args:
      values: What is drawn.
      title: Stands above.
      row_labels: One a row.
      column_labels: One a column; where cells are narrow only the first and the last are written.
      scale: From value to colour.
      row_name: What rows are.
      column_name: What columns are.
      note: Wrapped under the scale, three lines at most.
      even: The value under even attention.
      widest: No panel of narrow cells is wider than this many pixels.
      numbers: Whether cells have their numbers; by default up to 16 columns.
      cell_size: Width and height of a cell in pixels; then every column has its label.
      bar: Whether the scale stands below; leave it out where one scale for several panels stands elsewhere.

    >>> scale = ColorScale(vmax=1.0, cmap="viridis")
    >>> render_heat_panel(np.eye(3), title="share", row_labels="012", column_labels="012", scale=scale).ndim
    3
    """
    rows, columns = values.shape
    numbered = columns <= _MOST_NUMBERED if numbers is None else numbers
    narrow = max(_NARROWEST, min(_CELL_WIDTH, widest // columns))
    cell, high = cell_size or (_CELL_WIDTH if numbered else narrow, _CELL_HEIGHT)
    every = numbered or cell_size is not None
    rising = every and any(text_width(label, _TEXT_SIZE) > cell for label in column_labels)
    labels_high = (
        max(text_width(label, _TEXT_SIZE) for label in column_labels) + 4 if rising else line_height(_TEXT_SIZE)
    )
    left = (
        max(text_width(f"{row_name} {row_labels[0]}", _TEXT_SIZE), *(text_width(t, _TEXT_SIZE) for t in row_labels)) + 8
    )
    width = max(left + cell * columns + 2, _LEAST_WIDTH, text_width(title, _TITLE_SIZE) if columns > 6 else 0)
    notes = wrapped(note, width=width, size=_TEXT_SIZE - 1, most_lines=4) if note else []
    title_lines = wrapped(title, width=width, size=_TITLE_SIZE, most_lines=2)
    top = len(title_lines) * line_height(_TITLE_SIZE) + labels_high + 6
    under = top + rows * high + 10
    notes_top = under + (_BAR_HEIGHT + 6 + line_height(_TEXT_SIZE) if bar else 0)
    height = notes_top + len(notes) * line_height(_TEXT_SIZE - 1) + 2
    canvas = Image.new("RGB", (width, height), PAPER)
    for index, line in enumerate(title_lines):
        draw_text(canvas, (0, index * line_height(_TITLE_SIZE)), line, size=_TITLE_SIZE)
    _draw_cells(canvas, values, scale, at=(left, top), cell=(cell, high), numbered=numbered)
    _draw_row_labels(canvas, row_labels, row_name, at=(left, top), high=high)
    if rising:
        for column, label in enumerate(column_labels):
            middle = left + column * cell + cell // 2
            draw_rising_text(canvas, (middle, top - 4), label, size=_TEXT_SIZE, color=QUIET_INK)
    else:
        _draw_column_labels(canvas, column_labels, column_name, at=(left, top), cell=cell, every=every)
    if bar:
        _draw_scale(canvas, scale, even, at=(left, under), width=width - left - 2)
    for index, line in enumerate(notes):
        y = notes_top + index * line_height(_TEXT_SIZE - 1)
        draw_text(canvas, (0, y), line, size=_TEXT_SIZE - 1, color=QUIET_INK)
    return np.asarray(canvas)


def _draw_cells(
    canvas: Image.Image,
    values: Float[np.ndarray, "row column"],
    scale: ColorScale,
    *,
    at: tuple[int, int],
    cell: tuple[int, int],
    numbered: bool,
) -> None:
    wide, high = cell
    colors = scale.colors(values)
    draw = ImageDraw.Draw(canvas)
    gap = 1 if wide > 8 else 0
    for row, column in np.ndindex(values.shape):
        x, y = at[0] + column * wide, at[1] + row * high
        color = tuple(int(part) for part in colors[row, column])
        if np.isnan(values[row, column]):
            canvas.paste(Image.fromarray(hatch_image(high - gap, wide - gap)), (x, y))
            continue
        draw.rectangle((x, y, x + wide - 1 - gap, y + high - 1 - gap), fill=color)
        if numbered:
            ink = PAPER if 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] < 140 else INK
            middle = (x + wide // 2, y + high // 2)
            draw_text(
                canvas, middle, cell_number(float(values[row, column])), size=_NUMBER_SIZE, color=ink, anchor="mm"
            )


def cell_number(value: float) -> str:
    """Returns a number in at most five characters: two decimals below 10, fewer above, "<.01" for what is small but not zero.

    >>> [cell_number(value) for value in (0.0, 0.004, -0.3, 0.251, 5.37, 42.4, 1250.0)]
    ['0', '<.01', '-.30', '.25', '5.4', '42', '1250']
    """
    if value == 0:
        return "0"
    if abs(value) < 0.005:
        return "<.01" if value > 0 else "-.00"
    if abs(value) < 0.995:
        return f"{value:.2f}".replace("0.", ".", 1)
    return f"{value:.1f}" if abs(value) < 9.95 else f"{value:.0f}"


def _draw_row_labels(canvas: Image.Image, labels: Sequence[str], name: str, *, at: tuple[int, int], high: int) -> None:
    for row, label in enumerate(labels):
        y = at[1] + row * high + high // 2
        text = f"{name} {label}" if row == 0 else label
        draw_text(canvas, (at[0] - 6, y), text, size=_TEXT_SIZE, color=QUIET_INK, anchor="rm")


def _draw_column_labels(
    canvas: Image.Image, labels: Sequence[str], name: str, *, at: tuple[int, int], cell: int, every: bool
) -> None:
    y = at[1] - 4
    for column, label in enumerate(labels):
        if every or column in (0, len(labels) - 1):
            text = f"{name} {label}" if column == 0 else label
            # The first label carries the name and begins at its cell, so that it never runs into the row labels.
            x, anchor = (at[0], "ls") if column == 0 else (at[0] + column * cell + cell // 2, "ms")
            if column == 1 and text_width(f"{name} {labels[0]}", _TEXT_SIZE) > cell + cell // 3:
                continue
            room = at[0] + len(labels) * cell if column == 0 else cell
            fitted = shortened(text, width=room, size=_TEXT_SIZE) if every else text
            draw_text(canvas, (x, y), fitted, size=_TEXT_SIZE, color=QUIET_INK, anchor=anchor)


def _draw_scale(canvas: Image.Image, scale: ColorScale, even: float | None, *, at: tuple[int, int], width: int) -> None:
    x, y = at
    ramp = scale.vmin + (scale.vmax - scale.vmin) * (np.arange(width) + 0.5) / width
    canvas.paste(Image.fromarray(np.repeat(scale.colors(ramp)[None], _BAR_HEIGHT, axis=0)), (x, y))
    marks = [(scale.vmin, f"{scale.vmin:.3g}", QUIET_INK), (scale.vmax, f"{scale.vmax:.3g}", QUIET_INK)]
    if even is not None and scale.vmin <= even <= scale.vmax:
        at_even = x + round((even - scale.vmin) / (scale.vmax - scale.vmin) * (width - 1))
        ImageDraw.Draw(canvas).line((at_even, y - 3, at_even, y + _BAR_HEIGHT + 2), fill=MARK, width=2)
        # At an end of the scale it takes the place of that end's number.
        marks = [mark for mark in marks if mark[0] != even] + [(even, f"{even:.3g} even", MARK)]
        marks.sort(key=lambda mark: mark[0])
    elif even is not None:
        marks[1] = (scale.vmax, f"{scale.vmax:.3g} (even: {even:.3g})", QUIET_INK)
    below = y + _BAR_HEIGHT + 3
    widths = [text_width(text, _TEXT_SIZE) for _, text, _ in marks]
    centers = [x + widths[0] / 2, x + width - widths[-1] / 2]
    if len(marks) > 2:
        wanted = x + (marks[1][0] - scale.vmin) / (scale.vmax - scale.vmin) * width
        low, high = x + widths[0] + widths[1] / 2 + 8, x + width - widths[2] - widths[1] / 2 - 8
        centers.insert(1, min(max(wanted, low), high))
    for center, (_, text, color) in zip(centers, marks, strict=True):
        draw_text(canvas, (round(center), below), text, size=_TEXT_SIZE, color=color, anchor="ma")
