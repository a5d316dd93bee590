"""Panels as arrays: curves, bars and cells where their numbers say, and marks for what is not there."""

import numpy as np
import pytest

from octoscope.render.bar_panel import render_bar_panel
from octoscope.render.color_scale import ColorScale
from octoscope.render.depth_panel import DepthSeries, render_depth_panel
from octoscope.render.heat_panel import cell_number, render_heat_panel
from octoscope.render.line_panel import Curve, render_line_panel
from octoscope.render.palette import HATCH_DARK, HATCH_LIGHT, MARK
from octoscope.render.panel_page import render_panel_page
from octoscope.render.picture_sheet import PictureRow, PictureTile, render_picture_sheet
from octoscope.render.ticks import round_ticks

RED = (220, 0, 0)


def colored(picture, color):
    return (np.abs(picture.astype(int) - color) < 40).all(axis=-1)


def line_panel(values, steps=None, **kwargs):
    curve = Curve(np.asarray(values, float), color=RED, **kwargs)
    return render_line_panel([curve], steps=steps or range(len(values)), title="", top=1.0)


def test_a_curve_runs_at_the_height_of_its_values():
    heights = [np.nonzero(colored(line_panel([value, value]), RED))[0].mean() for value in (0.0, 0.5, 1.0)]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=1.0)
    assert heights[0] > heights[1] > heights[2]


def test_a_missing_step_breaks_the_curve():
    columns = np.nonzero(colored(line_panel([0.5, 0.5, np.nan, 0.5, 0.5]), RED).any(axis=0))[0]
    assert np.diff(columns).max() > 50


def test_a_skipped_step_breaks_the_curve_and_even_gaps_do_not():
    skipped = np.nonzero(colored(line_panel([0.5] * 4, steps=[0, 1, 5, 6]), RED).any(axis=0))[0]
    assert np.diff(skipped).max() > 50
    sparse = np.nonzero(colored(line_panel([0.5] * 3, steps=[0, 10, 20]), RED).any(axis=0))[0]
    assert np.diff(sparse).max() == 1


def test_samples_are_dots_that_are_joined_however_far_apart():
    curve = Curve(np.full(4, 0.5), color=RED)
    picture = render_line_panel([curve], steps=[1, 3, 6, 8], title="", top=1.0, sampled=True)
    red = colored(picture, RED)
    assert np.diff(np.nonzero(red.any(axis=0))[0]).max() == 1
    thickness = red.sum(axis=0)
    assert (thickness[thickness > 0] > np.median(thickness[thickness > 0]) + 1).any()


def test_a_band_lies_between_its_ends_and_leaves_the_rest_white():
    values = np.full(3, 0.5)
    curve = Curve(values, color=RED, low=values - 0.2, high=values + 0.2)
    picture = render_line_panel([curve], steps=[0, 50, 100], title="", top=1.0, x_ticks=[0, 50, 100], sampled=True)
    pale = tuple(round(0.2 * part + 0.8 * 255) for part in RED)
    rows = np.nonzero((picture == pale).all(axis=-1).any(axis=1))[0]
    plot = 190 - 26 - 22
    assert rows.max() - rows.min() == pytest.approx(0.4 * plot, abs=2)


def test_ticks_are_written_along_the_axis():
    plain, ticked = (
        render_line_panel([Curve(np.zeros(2), color=RED)], steps=[0, 100], title="", top=1.0, x_ticks=ticks)
        for ticks in ((0, 100), (0, 25, 50, 75, 100))
    )
    changed = np.nonzero((plain != ticked)[-22:].any(axis=(0, 2)))[0]
    assert (np.diff(changed) > 30).sum() == 2


def test_a_long_title_of_a_page_is_wrapped_not_cut():
    panel = np.zeros((100, 200, 3), np.uint8)
    one, two = (render_panel_page([panel], title=title, subtitle=[]) for title in ("short", "a long title " * 8))
    assert two.shape[0] > one.shape[0]


def test_one_step_is_a_dot_and_a_dashed_curve_has_gaps():
    assert colored(line_panel([0.5]), RED).any()
    dashed = np.nonzero(colored(line_panel([0.5, 0.5], dashed=True), RED).any(axis=0))[0]
    assert 1 < np.diff(dashed).max() < 10


def test_labels_stand_beside_their_curves_ends():
    low, high = Curve(np.array([0.1, 0.1]), "low", RED), Curve(np.array([0.9, 0.9]), "high", MARK)
    picture = render_line_panel([low, high], steps=[0, 1], title="", top=1.0)
    right = picture[:, -30:]
    assert np.nonzero(colored(right, MARK))[0].mean() < np.nonzero(colored(right, RED))[0].mean() - 50


def test_bars_are_as_long_as_their_values_and_even_attention_is_marked():
    picture = render_bar_panel(
        np.array([0.25, 0.5]), labels=["a", "b"], title="", top=1.0, even=np.array([0.75, 0.75]), width=330
    )
    # The letters' grey is near the bars'.
    bar = (picture == np.array([122, 128, 138])).all(axis=-1)
    lengths = [bar[row].sum() for row in range(len(bar)) if bar[row].sum() > 20]
    assert max(lengths) == pytest.approx(2 * min(lengths), abs=2)
    left = np.nonzero(bar.any(axis=0))[0].min()
    marks = np.nonzero(colored(picture, MARK).any(axis=0))[0]
    assert marks.mean() - left == pytest.approx(3 * min(lengths), abs=3)


def test_a_bar_without_data_says_so():
    with_data = render_bar_panel(np.array([0.5]), labels=["a"], title="", top=1.0)
    without = render_bar_panel(np.array([np.nan]), labels=["a"], title="", top=1.0)
    assert colored(with_data, (122, 128, 138)).sum() > 500
    assert not (without == np.array([122, 128, 138])).all(axis=-1).any()


def heat_panel(values, **kwargs):
    labels = {"row_labels": [str(r) for r in range(len(values))]}
    labels["column_labels"] = [str(c) for c in range(values.shape[1])]
    return render_heat_panel(values, title="", scale=ColorScale(vmax=1.0, cmap="viridis"), **labels, **kwargs)


@pytest.mark.parametrize("hot", [(0, 0), (1, 2), (2, 3)])
def test_a_cell_has_the_colour_of_its_value(hot):
    values = np.zeros((3, 4))
    values[hot] = 1.0
    picture = heat_panel(values)
    found = colored(picture, ColorScale(vmax=1.0, cmap="viridis").colors(np.array([1.0]))[0])
    # The last rows are the scale itself.
    rows, columns = np.nonzero(found[:-40])
    others = np.nonzero(colored(picture, ColorScale(vmax=1.0, cmap="viridis").colors(np.array([0.0]))[0])[:-40])
    top, left = min(rows.min(), others[0].min()), min(columns.min(), others[1].min())
    assert (rows.min() - top) // 24 == hot[0]
    assert (columns.min() - left) // 38 == hot[1]


def test_a_cell_without_data_is_hatched():
    values = np.zeros((2, 2))
    values[0, 1] = np.nan
    picture = heat_panel(values)
    hatched = (picture == HATCH_DARK).all(axis=-1) | (picture == HATCH_LIGHT).all(axis=-1)
    assert hatched.sum() > 500
    assert not (heat_panel(np.zeros((2, 2))) == HATCH_DARK).all(axis=-1).any()


def test_many_columns_make_narrow_cells():
    assert heat_panel(np.zeros((2, 200))).shape[1] < 900
    assert heat_panel(np.zeros((2, 16))).shape[1] < 16 * 40 + 80


@pytest.mark.parametrize("even", [0.0, 0.5, 1.0, 2.0])
def test_even_attention_stands_on_the_scale_or_is_told(even):
    assert heat_panel(np.zeros((2, 6)), even=even).shape == heat_panel(np.zeros((2, 6))).shape


def test_numbers_fit_cells():
    assert all(len(cell_number(value)) <= 5 for value in (-0.999, 0.0001, -0.0001, 9.99, 99.4, 1234.5))


def test_ticks_are_round_and_inside():
    for low, high in ((0.0, 0.003), (0.0, 0.96), (-1.0, 1.0), (0.0, 7.3), (2.0, 1234.0)):
        ticks = round_ticks(low, high, most=5)
        assert 2 <= len(ticks) <= 5
        assert low <= ticks[0] < ticks[-1] <= high


def test_a_page_holds_its_panels_whole():
    panels = [np.full((40 + 10 * n, 200, 3), 10 * n, np.uint8) for n in range(1, 6)]
    page = render_panel_page(panels, title="page", subtitle=["of panels"], columns=2)
    for panel in panels:
        assert (page == panel[0, 0]).all(axis=-1).sum() >= panel.shape[0] * panel.shape[1]
    with pytest.raises(ValueError, match="at least one panel"):
        render_panel_page([], title="", subtitle=[])


def test_an_axis_of_no_length_is_drawn():
    panel = render_line_panel([Curve(np.zeros(3), "nothing")], steps=range(3), title="", top=0.0)
    assert panel.shape == (190, 330, 3)
    series = DepthSeries(np.zeros(2))
    assert render_depth_panel([series], depths=["input", "block 0"], title="", top=0.0).ndim == 3


def test_column_labels_that_have_no_room_are_written_upwards():
    labels = {"title": "", "scale": ColorScale(vmax=1.0), "row_labels": ["a"], "row_name": "", "column_name": ""}
    short = render_heat_panel(np.zeros((1, 2)), column_labels=["a", "b"], **labels)
    long = render_heat_panel(np.zeros((1, 2)), column_labels=["tangerine", "tangerines"], **labels)
    assert long.shape[1] == short.shape[1]
    # Above the cells is room for the whole word.
    assert long.shape[0] - short.shape[0] > 30


def test_small_cells_without_numbers_and_bar_have_their_colours():
    values = np.arange(12.0).reshape(3, 4) / 11
    scale = ColorScale(vmax=1.0, cmap="viridis")
    labels = {"title": "", "scale": scale, "row_labels": ["a", "b", "c"], "column_labels": "abcd", "row_name": ""}
    panel = render_heat_panel(values, column_name="", numbers=False, cell_size=(14, 10), bar=False, **labels)
    barred = render_heat_panel(values, column_name="", numbers=False, cell_size=(14, 10), **labels)
    assert barred.shape[0] > panel.shape[0] + 10
    for row, column in np.ndindex(3, 4):
        found = (panel == scale.colors(values)[row, column]).all(axis=-1)
        assert found.sum() == 13 * 9


def test_a_sheet_of_pictures_wraps_its_title_and_shows_its_legend():
    rows = [PictureRow("", [PictureTile("one", np.zeros((32, 32, 3), np.uint8))])]
    short = render_picture_sheet(rows, title="one line")
    long = render_picture_sheet(
        rows, title="a title that says only at its very end what is taken away, so it must be read"
    )
    assert long.shape[0] > short.shape[0] + 15
    legend = np.full((20, 50, 3), RED, np.uint8)
    assert (render_picture_sheet(rows, title="one line", legend=legend) == RED).all(axis=-1).sum() == 20 * 50
