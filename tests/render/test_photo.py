import numpy as np

from octoscope.render.photo import fitted_size, resize_photo


def test_proportions_are_kept_either_way():
    assert fitted_size(480, 640, 160) == (120, 160)
    assert fitted_size(640, 480, 160) == (160, 120)
    assert fitted_size(480, 640, None) == (480, 640)
    assert fitted_size(2, 4000, 100) == (1, 100)


def test_red_stays_red():
    red = np.full((64, 64, 3), (255, 0, 0), np.uint8)
    assert (resize_photo(red, 224) == (255, 0, 0)).all()


def test_a_frame_of_the_right_size_is_untouched():
    frame = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    assert (resize_photo(frame, 64) == frame).all()
