"""A sheet of pictures that have no scale: titled rows of labelled tiles, as they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from octoscope.array_typing import UInt8
from octoscope.render.lettering import draw_text, line_height, missing_letters, shortened, text_width, wrapped
from octoscope.render.outline import OutlineMark, render_outline_legend
from octoscope.render.palette import PAPER, QUIET_INK
from octoscope.render.photo import resize_photo
from octoscope.render.sheet_grid import GridRow, SheetGrid, lay_out_grid

_MARGIN = 28
_GUTTER = 16
_TITLE_SIZE, _SUBTITLE_SIZE, _FOOTNOTE_SIZE = 21, 14, 12
# A sheet of few tiles is still wide enough for a title.
_LEAST_WIDTH = 560
_WIDEST_ROW_LABEL = 120


@dataclass(frozen=True)
class PictureTile:
    """One picture with what stands above it and what stands beside or below that."""

    label: str
    # RGB, 0..255.
    image: UInt8[np.ndarray, "height width 3"]
    note: str = ""


@dataclass(frozen=True)
class PictureRow:
    """One row of a sheet, wrapped onto several lines when it is too wide."""

    label: str
    tiles: Sequence[PictureTile]


def render_picture_sheet(
    rows: Sequence[PictureRow],
    *,
    title: str,
    subtitle: Sequence[str] = (),
    tile_size: int = 224,
    footnote: str = "",
    legend: UInt8[np.ndarray, "legend_height legend_width 3"] | None = None,
    marks: Sequence[OutlineMark] = (),
) -> UInt8[np.ndarray, "height width 3"]:
    """Lays pictures out in rows under a title; each keeps its own colours, so tiles cannot be compared by brightness without a legend.

    Args:
      rows: From top to bottom; each may hold any number of tiles.
      title: Wrapped onto two lines where it is too long.
      subtitle: Lines under the title, wrapped.
      tile_size: Pixels of a tile's longer side. Pictures of less than half of that grow by whole pixels, so that kernels keep
        their cells; others are resized by Lanczos.
      footnote: A caption, wrapped under the tiles; "" for none.
      legend: A picture under the tiles as it is, such as `render_scale_strip` of the scale that they share.
      marks: Outlines that the pictures hold, for the legend above the caption.

    Raises:
      ValueError: If there is no tile at all.

    >>> tile = PictureTile("filter 3", np.zeros((32, 32, 3), np.uint8), note="12.1")
    >>> render_picture_sheet([PictureRow("conv1", [tile])], title="embedded", tile_size=96).shape[1]
    616
    """
    if not any(row.tiles for row in rows):
        raise ValueError("`rows` must hold at least one tile, got none.")
    pictures = [[_fitted(tile.image, tile_size) for tile in row.tiles] for row in rows]
    sizes = [[picture.shape[:2] for picture in line] for line in pictures]
    grid_rows = [GridRow(line, 0, [tile.label for tile in row.tiles]) for line, row in zip(sizes, rows, strict=True)]
    grid = lay_out_grid(grid_rows, tile_size=tile_size)
    labels = [wrapped(row.label, width=_WIDEST_ROW_LABEL, size=grid.label_size, most_lines=4) for row in rows]
    label_width = max((text_width(line, grid.label_size) for lines in labels for line in lines), default=0)
    left = _MARGIN + label_width + (_GUTTER if label_width else 0)
    width = max(left + grid.width + _MARGIN, _LEAST_WIDTH + 2 * _MARGIN)
    inner = width - 2 * _MARGIN
    texts = [title, *subtitle, footnote, *(row.label for row in rows)]
    texts += [text for row in rows for tile in row.tiles for text in (tile.label, tile.note)]
    under = [
        line
        for text in [*subtitle, *missing_letters(texts)]
        for line in wrapped(text, width=inner, size=_SUBTITLE_SIZE, most_lines=3)
    ]
    foot = wrapped(footnote, width=inner, size=_FOOTNOTE_SIZE, most_lines=8) if footnote else []
    titles = wrapped(title, width=inner, size=_TITLE_SIZE, most_lines=2)
    above = len(titles) * line_height(_TITLE_SIZE)
    top = _MARGIN + above + len(under) * line_height(_SUBTITLE_SIZE) + _GUTTER
    outlines = render_outline_legend(marks, width=inner)
    foot_height = len(foot) * line_height(_FOOTNOTE_SIZE)
    outlines_height = 0 if outlines is None else outlines.shape[0] + 4
    legend_height = 0 if legend is None else _GUTTER + legend.shape[0]
    height = top + grid.height + legend_height + (_GUTTER + foot_height if foot else 0) + outlines_height + _MARGIN
    canvas = Image.new("RGB", (width, height), PAPER)
    if legend is not None:
        canvas.paste(Image.fromarray(legend), (left, top + grid.height + _GUTTER))
    if outlines is not None:
        canvas.paste(Image.fromarray(outlines), (_MARGIN, height - _MARGIN - foot_height - outlines_height))
    for index, line in enumerate(titles):
        draw_text(canvas, (_MARGIN, _MARGIN - 6 + index * line_height(_TITLE_SIZE)), line, size=_TITLE_SIZE)
    _draw_lines(canvas, under, top=_MARGIN - 2 + above, size=_SUBTITLE_SIZE)
    _draw_lines(canvas, foot, top=height - _MARGIN - foot_height, size=_FOOTNOTE_SIZE)
    for row, line, places, lines, middle in zip(rows, pictures, grid.places, labels, grid.row_middles, strict=True):
        first = top + middle - (len(lines) - 1) * line_height(grid.label_size) // 2
        for index, text in enumerate(lines):
            draw_text(
                canvas, (_MARGIN, first + index * line_height(grid.label_size)), text, size=grid.label_size, anchor="lm"
            )
        for tile, picture, (across, down) in zip(row.tiles, line, places, strict=True):
            _draw_tile(canvas, tile, picture, at=(left + across, top + down), grid=grid)
    return np.asarray(canvas)


def _fitted(image: UInt8[np.ndarray, "height width 3"], size: int) -> UInt8[np.ndarray, "drawn_height drawn_width 3"]:
    longer = max(image.shape[:2])
    if 2 * longer <= size:
        whole = size // longer
        return image.repeat(whole, axis=0).repeat(whole, axis=1)
    return resize_photo(image, size)


def _draw_lines(canvas: Image.Image, lines: Sequence[str], *, top: int, size: int) -> None:
    for index, line in enumerate(lines):
        draw_text(canvas, (_MARGIN, top + index * line_height(size)), line, size=size, color=QUIET_INK)


def _draw_tile(
    canvas: Image.Image, tile: PictureTile, picture: np.ndarray, *, at: tuple[int, int], grid: SheetGrid
) -> None:
    across, down = at
    height, width = picture.shape[:2]
    canvas.paste(Image.fromarray(picture), at)
    room = max(width, grid.column_width)
    label = shortened(tile.label, width=room, size=grid.label_size)
    draw_text(canvas, (across, down - 5), label, size=grid.label_size, anchor="ls")
    if grid.notes_below:
        note_at, anchor = (across, down + height + 2), "la"
    else:
        behind = text_width(tile.label, grid.label_size) + 8
        # Over a narrow tile the note follows its label: at the column's end it would read as the next tile's.
        note_at, anchor = ((across + width, down - 5), "rs") if width == room else ((across + behind, down - 5), "ls")
        room -= behind
    if tile.note:
        note = shortened(tile.note, width=room, size=grid.note_size)
        draw_text(canvas, note_at, note, size=grid.note_size, color=QUIET_INK, anchor=anchor)
