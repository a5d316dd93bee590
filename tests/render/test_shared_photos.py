"""Frames are resized once for all sheets, but only where nobody can change them."""

import numpy as np

from octoscope.render.color_scale import ColorScale
from octoscope.render.tile import Tile, TilePainter


def painted(frame: np.ndarray) -> np.ndarray:
    return TilePainter(scale=ColorScale(vmax=1.0), tile_size=32).paint(Tile("frame", frame))


def test_a_frame_that_is_changed_is_drawn_as_it_is_now():
    frame = np.zeros((64, 64, 3), np.uint8)
    assert painted(frame).max() == 0
    frame[:] = 200
    assert painted(frame).min() == 200


def test_a_read_only_frame_is_resized_once_and_many_of_them_are_let_go():
    frames = [np.full((64, 64, 3), level, np.uint8) for level in range(40)]
    for frame in frames:
        frame.flags.writeable = False
    first = painted(frames[0])
    assert painted(frames[0]) is first
    for level, frame in enumerate(frames):
        assert (painted(frame) == level).all()
    assert painted(frames[0]) is not first
