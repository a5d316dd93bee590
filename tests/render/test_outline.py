import numpy as np

from octoscope.render.color_scale import ColorScale
from octoscope.render.outline import draw_outline
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
