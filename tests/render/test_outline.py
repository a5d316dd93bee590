import numpy as np

from octoscope.render import outline
from octoscope.render.canvas import PixelCanvas
from octoscope.render.color_scale import ColorScale
from octoscope.render.outline import OutlineMark, draw_outline, draw_outline_legend, outline_legend_height
from octoscope.render.sheet import Sheet, SheetRow
from octoscope.render.sheet_page import render_sheet
from octoscope.render.tile import Tile, TilePainter


def test_the_outline_stays_outside_the_region_and_hugs_it():
    picture = np.full((40, 40, 3), 100, np.uint8)
    region = np.zeros((10, 10), bool)
    region[4:6, 4:6] = True
    outlined = draw_outline(picture, region)
    assert (outlined[16:24, 16:24] == 100).all(), "the region itself is left alone"
    assert (outlined[15, 16:24] == 255).all()
    assert (outlined[14, 16:24] == 20).all()
    assert (outlined[:14] == 100).all()


def test_an_empty_region_draws_nothing_and_the_edge_is_no_trouble():
    picture = np.full((8, 8, 3), 100, np.uint8)
    assert (draw_outline(picture, np.zeros((8, 8), bool)) == picture).all()
    assert (draw_outline(picture, np.ones((8, 8), bool)) == picture).all()


def test_a_tile_outlines_its_region_over_the_heat():
    frame = np.zeros((64, 64, 3), np.uint8)
    region = np.zeros((64, 64), bool)
    region[20:30, 20:30] = True
    painter = TilePainter(scale=ColorScale(vmax=1.0), tile_size=128)
    plain = painter.paint(Tile("head 0", frame, heat=np.zeros((4, 4))))
    outlined = painter.paint(Tile("head 0", frame, heat=np.zeros((4, 4)), outline=region))
    assert (plain != outlined).any()
    assert (outlined[39, 40:60] == 255).all()


MARKS = [mark for mark in vars(outline).values() if isinstance(mark, OutlineMark)]


def test_every_meaning_has_a_colour_and_a_pattern_of_its_own():
    assert len(MARKS) == 5
    assert len({mark.color for mark in MARKS}) == len({mark.meaning for mark in MARKS}) == len(MARKS)
    # Told apart without colour too: by gaps and width.
    assert len({(mark.dash, mark.width) for mark in MARKS}) == len(MARKS)
    region = np.zeros((40, 40), bool)
    region[10:30, 10:30] = True
    drawn = [draw_outline(np.full((40, 40, 3), 100, np.uint8), region, mark) for mark in MARKS]
    for mark, picture in zip(MARKS, drawn, strict=True):
        line = (picture == np.array(mark.color)).all(axis=-1)
        assert (picture[10:30, 10:30] == 100).all()
        # The part of the line just above the region that is drawn, and not left dark.
        assert abs(line[9, 10:30].mean() - mark.dash[0] / sum(mark.dash)) <= 0.2
        assert line[: 10 - mark.width].sum() == 0


def test_the_legend_names_each_mark_once_and_keeps_its_width():
    canvas = PixelCanvas(400, outline_legend_height([*MARKS, *MARKS], width=300))
    draw_outline_legend(canvas, (0, 0), [*MARKS, *MARKS], width=300)
    legend = canvas.pixels()
    for mark in MARKS:
        assert (legend == np.array(mark.color)).all(axis=-1).any()
    assert outline_legend_height(MARKS, width=300) == len(legend)
    assert outline_legend_height([], width=300) == 0


def test_a_sheet_has_a_legend_of_just_its_own_marks():
    frame = np.zeros((64, 64, 3), np.uint8)
    region = np.zeros((64, 64), bool)

    def sheet(**tile):
        rows = [SheetRow("", [Tile("recorded", frame, **tile)])]
        return render_sheet(Sheet("t", rows, tile_size=96))

    plain, sink = sheet(), sheet(outline=region, mark=outline.SINK)
    assert sink.shape[0] > plain.shape[0]
    assert (sink == np.array(outline.SINK.color)).all(axis=-1).any()
    assert not (sink == np.array(outline.ASKED.color)).all(axis=-1).any()
