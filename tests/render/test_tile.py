import numpy as np

from octoscope.render.color_scale import ColorScale
from octoscope.render.hatching import hatch_image
from octoscope.render.overlay import render_overlay
from octoscope.render.tile import Tile, TilePainter

SCALE = ColorScale(vmax=1.0)
RED = np.full((48, 64, 3), (255, 0, 0), np.uint8)


def painter(size: int = 160) -> TilePainter:
    return TilePainter(scale=SCALE, tile_size=size)


def test_a_frame_is_shown_in_true_colour():
    picture = painter().paint(Tile("recorded", RED))
    assert picture.shape == (120, 160, 3)
    assert (picture == (255, 0, 0)).all()


def test_heat_is_the_overlay_of_the_same_size():
    heat = np.array([[0.2, np.nan], [1.0, 0.0]])
    valid = np.array([[True, True], [True, False]])
    box = (0.0, 8.0, 48.0, 56.0)
    picture = painter().paint(Tile("head 0", RED, heat=heat, box=box, valid=valid))
    assert (picture == render_overlay(RED, heat, scale=SCALE, box=box, valid=valid, size=160)).all()
    # A masked and a NaN cell are hatched.
    hatch = hatch_image(120, 160)
    assert (picture[70:110, 90:130] == hatch[70:110, 90:130]).all()
    assert (picture[10:50, 90:130] == hatch[10:50, 90:130]).all()


def test_a_padding_frame_is_grey_pale_and_named():
    picture = painter().paint(Tile("recorded", RED, dimmed=True)).astype(int)
    assert (picture[5, 5] == picture[5, 5, 0]).all()
    assert picture[5, 5, 0] > 150
    assert (picture[50:70, 40:120] < 80).any()


def test_known_heat_leaves_out_what_is_masked_or_missing():
    tile = Tile("head", RED, heat=np.array([[5.0, np.nan, 0.5]]), valid=np.array([[False, True, True]]))
    assert tile.known_heat().tolist() == [0.5]
    assert Tile("recorded", RED).known_heat().size == 0


def test_each_frame_is_painted_as_itself():
    one = painter()
    for level in range(20):
        frame = np.full((32, 32, 3), level * 10, np.uint8)
        assert one.paint(Tile("recorded", frame))[0, 0, 0] == level * 10
