"""A sheet: the frames a policy saw and what each head attended to, on one colour scale. A film frame is a sheet with small tiles."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from PIL import Image

from octoscope.array_typing import UInt8
from octoscope.render.color_bar import BAR_IMAGE_WIDTH, render_color_bar
from octoscope.render.color_scale import ColorScale
from octoscope.render.lettering import draw_text, line_height, missing_letters, shortened, text_width, wrapped
from octoscope.render.outline import render_outline_legend
from octoscope.render.palette import PAPER, QUIET_INK
from octoscope.render.photo import fitted_size
from octoscope.render.sheet_grid import GridRow, SheetGrid, lay_out_grid
from octoscope.render.tile import Tile, TilePainter

CAPTION = (
    "Brighter: the query attends more to that patch. Grey shows the scene where weights are low. "
    "Attention alone does not show what the action depends on."
)
_MARGIN = 28
_TITLE_SIZE = 21
_SUBTITLE_SIZE = 14
_FOOTNOTE_SIZE = 12
_GUTTER = 16
_SHORTEST_BAR, _TALLEST_BAR = 230, 340
# A sheet of few tiles is still wide enough for a title.
_LEAST_GRID_WIDTH = 480
_WIDEST_ROW_LABEL = 96


@dataclasses.dataclass(frozen=True)
class SheetRow:
    """One row of a sheet, wrapped onto several lines when it is too wide."""

    # E.g. "primary t-1 (step 3)" or "layer 4".
    label: str
    tiles: Sequence[Tile]

    @property
    def lead(self) -> int:
        """How many tiles come before the first whose label starts with "head": wrapped lines start under that one."""
        return next((index for index, tile in enumerate(self.tiles) if tile.label.startswith("head")), 0)


def render_sheet(
    rows: Sequence[SheetRow],
    *,
    title: str,
    subtitle: Sequence[str],
    scale: ColorScale,
    scale_label: str,
    uniform: float | None = None,
    tile_size: int,
    footnote: str = CAPTION,
) -> UInt8[np.ndarray, "height width 3"]:
    """Lays tiles out in rows, under a title and beside one colour bar that holds for all of them.

    Each tile is a `render_overlay` picture, or the frame in true colour; its label stands above it and its note beside the label, or
    below the tile where tiles are small. A greyed-out tile with the word "padding" is a frame that only fills the history. The colour
    bar ends in a triangle when some value of some tile lies outside the scale. Under the tiles a legend says what outlines mean.

    The sheet does not show tokens that are no image patches: shares of language or proprioception belong into a note or subtitle.

    The size depends on the rows, their labels, `tile_size` and how `subtitle` and `footnote` wrap. Keep what changes from frame to
    frame of a film in `title` and the notes: they are shortened, never wrapped.

    Args:
      rows: From top to bottom; each may hold any number of tiles.
      title: One line.
      subtitle: Lines under the title, each wrapped onto three lines at most.
      scale: The scale of every tile.
      scale_label: What the values are, e.g. "attention weight".
      uniform: The value of evenly spread attention, 1 / number of keys, marked on the colour bar.
      tile_size: Pixels of a tile's longer side.
      footnote: A caption, wrapped under the tiles; "" for none.

    Raises:
      ValueError: If there is no tile at all.

    >>> frame = np.zeros((64, 64, 3), np.uint8)
    >>> tiles = [Tile("frame", frame), Tile("head 0", frame, heat=np.full((4, 4), 0.1))]
    >>> sheet = render_sheet([SheetRow("primary t", tiles)], title="step 0, layer 1", subtitle=["put the carrot on the plate"],
    ...                      scale=ColorScale(vmax=0.1), scale_label="attention weight", tile_size=128)
    >>> sheet.shape[1]
    773
    """
    if not any(row.tiles for row in rows):
        raise ValueError("`rows` must hold at least one tile, got none.")
    texts = [title, *subtitle, footnote, scale_label, *(row.label for row in rows)]
    texts += [text for row in rows for tile in row.tiles for text in (tile.label, tile.note)]
    page = _Page.around(rows, subtitle=[*subtitle, *missing_letters(texts)], footnote=footnote, tile_size=tile_size)
    canvas = Image.new("RGB", (page.width, page.height), PAPER)
    _draw_header(canvas, page, title)
    _draw_rows(canvas, page, rows, TilePainter(scale=scale, tile_size=tile_size))
    heats = [tile.known_heat() for row in rows for tile in row.tiles]
    bar = render_color_bar(
        scale,
        label=scale_label,
        height=page.bar_height,
        uniform=uniform,
        above=any(scale.tops_out(heat) for heat in heats),
        below=any(scale.bottoms_out(heat) for heat in heats),
    )
    canvas.paste(Image.fromarray(bar), (page.width - _MARGIN - BAR_IMAGE_WIDTH, page.top))
    if page.legend is not None:
        canvas.paste(Image.fromarray(page.legend), (_MARGIN, page.height - _MARGIN - page.foot_height))
    _draw_lines(canvas, page.footnote, top=page.height - _MARGIN - page.footnote_height, size=_FOOTNOTE_SIZE)
    return np.asarray(canvas)


@dataclasses.dataclass(frozen=True)
class _Page:
    """Where the parts of a sheet stand, in pixels."""

    width: int
    height: int
    # The top left corner of the grid.
    left: int
    top: int
    row_label_width: int
    bar_height: int
    grid: SheetGrid
    # The texts, in lines that fit.
    subtitle: list[str]
    footnote: list[str]
    # What outlines mean, above the footnote; None where there are none.
    legend: UInt8[np.ndarray, "_ _ 3"] | None

    @property
    def footnote_height(self) -> int:
        return len(self.footnote) * line_height(_FOOTNOTE_SIZE)

    @property
    def foot_height(self) -> int:
        return self.footnote_height + (0 if self.legend is None else self.legend.shape[0] + 4)

    @classmethod
    def around(cls, rows: Sequence[SheetRow], *, subtitle: Sequence[str], footnote: str, tile_size: int) -> "_Page":
        grid = _grid(rows, tile_size)
        label_lines = [line for row in rows for line in _row_label_lines(row.label, grid.label_size)]
        label_width = max((text_width(line, grid.label_size) for line in label_lines), default=0)
        left = _MARGIN + label_width + (_GUTTER if label_width else 0)
        right = left + max(grid.width, _LEAST_GRID_WIDTH)
        width = right + 2 * _GUTTER + BAR_IMAGE_WIDTH + _MARGIN
        subtitle_lines = _wrapped_all(subtitle, width - 2 * _MARGIN, _SUBTITLE_SIZE)
        footnote_lines = _wrapped_all([footnote], right - _MARGIN, _FOOTNOTE_SIZE)
        top = _MARGIN + line_height(_TITLE_SIZE) + len(subtitle_lines) * line_height(_SUBTITLE_SIZE) + _GUTTER
        bar_height = min(max(grid.height, _SHORTEST_BAR), _TALLEST_BAR)
        marks = [tile.mark for row in rows for tile in row.tiles if tile.outline is not None]
        legend = render_outline_legend(marks, width=right - _MARGIN)
        page = cls(width, 0, left, top, label_width, bar_height, grid, subtitle_lines, footnote_lines, legend)
        foot = _GUTTER + page.foot_height if page.foot_height else 0
        return dataclasses.replace(page, height=top + max(grid.height, bar_height) + foot + _MARGIN)


def _grid(rows: Sequence[SheetRow], tile_size: int) -> SheetGrid:
    sizes = [[fitted_size(tile.image.shape[0], tile.image.shape[1], tile_size) for tile in row.tiles] for row in rows]
    return lay_out_grid(
        [
            GridRow(row_sizes, row.lead, [tile.label for tile in row.tiles])
            for row_sizes, row in zip(sizes, rows, strict=True)
        ],
        tile_size=tile_size,
    )


def _wrapped_all(texts: Sequence[str], width: int, size: int) -> list[str]:
    return [line for text in texts for line in wrapped(text, width=width, size=size, most_lines=3)]


def _draw_header(canvas: Image.Image, page: _Page, title: str) -> None:
    one_line = shortened(title, width=page.width - 2 * _MARGIN, size=_TITLE_SIZE)
    draw_text(canvas, (_MARGIN, _MARGIN - 6), one_line, size=_TITLE_SIZE)
    _draw_lines(canvas, page.subtitle, top=_MARGIN - 2 + line_height(_TITLE_SIZE), size=_SUBTITLE_SIZE)


def _draw_lines(canvas: Image.Image, lines: Sequence[str], *, top: int, size: int) -> None:
    for index, line in enumerate(lines):
        draw_text(canvas, (_MARGIN, top + index * line_height(size)), line, size=size, color=QUIET_INK)


def _draw_rows(canvas: Image.Image, page: _Page, rows: Sequence[SheetRow], painter: TilePainter) -> None:
    for row, middle, places in zip(rows, page.grid.row_middles, page.grid.places, strict=True):
        _draw_row_label(canvas, page, row.label, page.top + middle)
        for tile, (x, y) in zip(row.tiles, places, strict=True):
            _draw_tile(canvas, tile, painter.paint(tile), at=(page.left + x, page.top + y), grid=page.grid)


def _row_label_lines(label: str, size: int) -> list[str]:
    if text_width(label, size) <= _WIDEST_ROW_LABEL:
        return [label] if label else []
    # "primary t (step 4)" breaks before its bracket, not inside it.
    parts = label.replace(" (", "\n(").split("\n")
    return [line for part in parts for line in wrapped(part, width=_WIDEST_ROW_LABEL, size=size, most_lines=2)]


def _draw_row_label(canvas: Image.Image, page: _Page, label: str, middle: int) -> None:
    size = page.grid.label_size
    lines = _row_label_lines(label, size)
    first = middle - (len(lines) - 1) * line_height(size) // 2
    for index, line in enumerate(lines):
        draw_text(canvas, (_MARGIN, first + index * line_height(size)), line, size=size, anchor="lm")


def _draw_tile(
    canvas: Image.Image,
    tile: Tile,
    picture: UInt8[np.ndarray, "height width 3"],
    *,
    at: tuple[int, int],
    grid: SheetGrid,
) -> None:
    x, y = at
    height, width = picture.shape[:2]
    canvas.paste(Image.fromarray(picture), at)
    label_width = max(width, grid.column_width)
    if grid.notes_below:
        note_at, anchor, room = (x, y + height + 2), "la", label_width
    else:
        behind = text_width(tile.label, grid.label_size) + 8
        room = label_width - behind
        # Over a narrow tile the note follows its label: at the column's end it would read as the next tile's.
        note_at, anchor = ((x + width, y - 5), "rs") if width == label_width else ((x + behind, y - 5), "ls")
    label = shortened(tile.label, width=label_width, size=grid.label_size)
    draw_text(canvas, (x, y - 5), label, size=grid.label_size, anchor="ls")
    note = shortened(tile.note, width=room, size=grid.note_size)
    draw_text(canvas, note_at, note, size=grid.note_size, color=QUIET_INK, anchor=anchor)
