import numpy as np
import pytest

from octoscope.render.blend import blend_table
from octoscope.render.color_bar import ColorBar, render_color_bar
from octoscope.render.color_scale import ColorScale
from octoscope.render.hatching import hatch_image
from octoscope.render.palette import INK, MARK

SCALE = ColorScale(vmax=0.03)


def rows_of(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return np.flatnonzero((picture == color).all(axis=-1).any(axis=1))


def test_the_bar_holds_every_colour_of_the_blend_in_order():
    bar = render_color_bar(ColorBar(SCALE, "attention weight"), height=400)
    # The left edge is the blend over black, the right edge over white.
    over_black = bar[:, 1]
    first = np.flatnonzero((over_black == blend_table("magma")[-1, 0]).all(axis=1))[0]
    last = np.flatnonzero((over_black == blend_table("magma")[0, 0]).all(axis=1))[-1]
    levels = np.rint((1 - (np.arange(last - first + 1) + 0.5) / (last - first + 1)) * 255).astype(int)
    assert np.abs(over_black[first : last + 1].astype(int) - blend_table("magma")[levels, 0]).max() <= 6
    assert (bar[last - 2, 24].astype(int) - bar[last - 2, 1]).min() > 100


def test_caps_appear_only_where_values_are_beyond_the_scale():
    plain = render_color_bar(ColorBar(SCALE, ""), height=300)
    above = render_color_bar(ColorBar(SCALE, ""), height=300, above=True)
    below = render_color_bar(ColorBar(SCALE, ""), height=300, below=True)
    left = np.s_[:, :24]
    assert not (plain[left] == INK).all(axis=-1).any()
    assert rows_of(above[left], INK).max() < 100
    assert rows_of(below[left], INK).min() > 200


def test_the_uniform_value_is_marked_at_its_height():
    bar = render_color_bar(ColorBar(SCALE, "", uniform=0.015), height=400)
    middle = render_color_bar(ColorBar(SCALE, "", uniform=0.0225), height=400)
    half, three_quarters = rows_of(bar[:, :24], MARK), rows_of(middle[:, :24], MARK)
    assert len(half) == len(three_quarters) == 1
    plain = render_color_bar(ColorBar(SCALE, ""), height=400)
    ramp = np.flatnonzero((plain[:, 12] != 255).any(axis=1) & (np.arange(400) < 370))
    assert abs(half[0] - (ramp[0] + ramp[-1]) / 2) <= 1
    assert abs(three_quarters[0] - (ramp[0] * 3 + ramp[-1]) / 4) <= 1


@pytest.mark.parametrize("uniform", [0.5, -1.0])
def test_a_uniform_value_off_the_scale_stays_in_the_picture(uniform: float):
    bar = render_color_bar(ColorBar(SCALE, "", uniform=uniform), height=300)
    assert len(rows_of(bar[:, :24], MARK)) == 1


def test_the_look_of_missing_data_is_named():
    bar = render_color_bar(ColorBar(SCALE, ""), height=300)
    assert (bar[-14:, :24] == hatch_image(14, 24)).all()


def test_text_stays_inside():
    bar = render_color_bar(ColorBar(SCALE, "a very long label " * 9, uniform=0.0001), height=300, above=True)
    assert (bar[:, -1] == 255).all()


def test_a_bar_too_small_to_read_is_refused():
    with pytest.raises(ValueError, match="`height` must be at least"):
        render_color_bar(ColorBar(SCALE, ""), height=80)
