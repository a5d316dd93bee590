import numpy as np
import pytest

from octoscope.render.blend import blend_table
from octoscope.render.color_scale import DIVERGING_MAPS, UNIFORM_MAPS, ColorScale, color_table, has_data
from octoscope.render.palette import HATCH_DARK


def lightness(rgb: np.ndarray) -> np.ndarray:
    """CIE L* of sRGB colours, 0..100."""
    channels = rgb / 255.0
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)


def test_colors_are_rgb_of_the_published_map():
    scale = ColorScale(vmax=1.0, cmap="viridis")
    assert scale.colors(np.array([0.0, 1.0])).tolist() == [[68, 1, 84], [253, 231, 37]]


@pytest.mark.parametrize("name", UNIFORM_MAPS)
def test_lightness_rises_all_along_each_map(name: str):
    # Colours are rounded to 8 bits, which is a third of a unit in the dark.
    assert np.diff(lightness(color_table(name))).min() > -0.4


@pytest.mark.parametrize("name", UNIFORM_MAPS)
def test_more_is_never_visibly_darker_over_any_scene(name: str):
    levels = lightness(blend_table(name))
    assert (np.maximum.accumulate(levels, axis=0) - levels).max() < 1.0


@pytest.mark.parametrize("name", DIVERGING_MAPS)
def test_diverging_maps_are_palest_at_zero_and_darken_evenly_on_both_sides(name: str):
    scale = ColorScale.around_zero([np.array([0.2, -3.0, np.nan])], cmap=name)
    assert (scale.vmin, scale.vmax) == (-3.0, 3.0)
    levels = lightness(color_table(name))
    # The two middle colours hold 0 between them.
    assert np.diff(levels[:128]).min() > -0.4
    assert np.diff(levels[128:]).max() < 0.4
    assert abs(levels[64] - levels[191]) < 10
    with pytest.raises(ValueError, match="its middle at 0"):
        ColorScale(vmax=1.0, cmap=name)


@pytest.mark.parametrize("name", ["jet", "JET", "rainbow", "hsv"])
def test_uneven_maps_are_refused_with_the_reason(name: str):
    with pytest.raises(ValueError, match=r"perceptually uniform.*magma"):
        ColorScale(vmax=1.0, cmap=name)


def test_unknown_map_offers_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'viridis'"):
        ColorScale(vmax=1.0, cmap="viridi")


@pytest.mark.parametrize(("vmin", "vmax"), [(0.0, 0.0), (1.0, 0.5), (0.0, np.nan), (0.0, np.inf)])
def test_empty_ranges_are_refused(vmin: float, vmax: float):
    with pytest.raises(ValueError, match="`vmin` must be finite and below `vmax`"):
        ColorScale(vmin=vmin, vmax=vmax)


def test_missing_values_have_a_colour_outside_the_map():
    colors = ColorScale(vmax=1.0).colors(np.array([np.nan, np.inf, -np.inf, 0.0]))
    assert colors[:3].tolist() == [list(HATCH_DARK)] * 3
    assert not (color_table("magma") == HATCH_DARK).all(axis=1).any()
    assert colors[3].tolist() == [0, 0, 4]


def test_spanning_covers_every_value_and_skips_missing_ones():
    scale = ColorScale.spanning([np.array([[0.1, np.nan]]), np.array([0.4, np.inf]), np.zeros(0)])
    assert (scale.vmin, scale.vmax) == (0.0, 0.4)


def test_spanning_nothing_still_gives_a_scale():
    assert ColorScale.spanning([np.zeros((2, 2)), np.full(3, np.nan)]) == ColorScale(vmax=1.0)


def test_spanning_starts_at_the_lowest_negative_value():
    assert ColorScale.spanning([np.array([-0.5, 0.5])]).vmin == -0.5


def test_values_beyond_the_scale_are_reported():
    scale = ColorScale(vmin=0.1, vmax=0.2)
    assert scale.tops_out(np.array([0.15, 0.21]))
    assert scale.bottoms_out(np.array([0.09]))
    assert not scale.tops_out(np.array([0.2, np.nan, np.inf]))
    assert not scale.bottoms_out(np.array([0.1, -np.inf]))


def test_half_floats_of_a_run_do_not_top_out_by_rounding():
    weights = np.array([0.1234567])
    assert not ColorScale.spanning([weights]).tops_out(weights.astype(np.float16))


def test_has_data_marks_only_numbers():
    assert has_data(np.array([1.0, np.nan, -np.inf])).tolist() == [True, False, False]


def test_cosines_are_coloured_by_their_angle():
    scale = ColorScale.cosines()
    # 60 degrees are a third of the half circle, 18.2 degrees a tenth.
    assert scale.fraction_of(np.array([-1.0, -0.5, 0.0, 0.5, 0.95, 1.0])) == pytest.approx(
        [0, 1 / 3, 1 / 2, 2 / 3, 0.8989, 1], abs=1e-4
    )
    assert scale.value_at(np.array([0.0, 0.25, 0.5, 1.0])) == pytest.approx([-1, -(0.5**0.5), 0, 1], abs=1e-12)
    # By size alone 0.9 and 0.99 would be 11 levels apart.
    low, high = scale.levels(np.array([0.9, 0.99])).astype(int)
    assert high - low == 26
    # What rounding puts above 1 is 1, and nothing is said to lie beyond the scale.
    assert scale.levels(np.array([1.0 + 1e-6], np.float32)).tolist() == [255]
    assert not scale.tops_out(np.array([1.0 + 1e-6]))
    with pytest.raises(ValueError, match="must be of cosines"):
        ColorScale(vmin=-0.5, vmax=0.5, cmap="vik", spacing="angle")


def test_zero_is_a_tick_where_it_is_the_middle():
    assert ColorScale.around_zero([np.array([0.2, -0.5])]).ticks == (-0.5, 0.0, 0.5)
    assert ColorScale(vmin=-0.1, vmax=0.5).ticks == (-0.1, 0.5)
    assert ColorScale.cosines().ticks[0] == -1.0
    assert 0.0 in ColorScale.cosines().ticks
