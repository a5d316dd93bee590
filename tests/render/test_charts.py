"""Charts: the value goes into the figure unchanged, missing values stay missing, marks stand where their numbers say."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.collections import LineCollection, QuadMesh
from PIL import Image

from octoscope.errors import OutputError
from octoscope.render.chart import (
    PATH_COLORS,
    Bars,
    Chart,
    Curve,
    Effect,
    Effects,
    Grid,
    Intervals,
    Lines,
    Maps,
    Path,
    Paths,
    Photo,
    Strip,
)
from octoscope.render.color_scale import ColorScale
from octoscope.render.figures.cells import cell_number
from octoscope.render.figures.figure import chart_figure
from octoscope.render.figures.lines import round_ticks
from octoscope.render.figures.paths import stage_places
from octoscope.render.palette import MARK
from octoscope.render.view import draw_view, save_view

RED = (220, 0, 0)
SCALE = ColorScale(vmax=1.0, cmap="viridis")


def figure_of(*panels, **told):
    return chart_figure(Chart("title", panels, **told))


def texts(figure):
    return [text.get_text() for text in figure.texts]


def place_of(figure, text):
    """Of a text, in pixels from the figure's top left corner."""
    x, y = next(each.get_position() for each in figure.texts if each.get_text() == text)
    width, height = figure.get_size_inches() * figure.dpi
    return x * width, (1 - y) * height


def pieces(line):
    """The unbroken pieces of a line, as lists of x."""
    x, y = line.get_xdata(), line.get_ydata()
    missing = np.isnan(x) | np.isnan(y)
    cut = [np.delete(piece, 0) if at else piece for at, piece in enumerate(np.split(x, np.flatnonzero(missing)))]
    return [piece.tolist() for piece in cut if len(piece)]


def lines(values, at=None, top=1.0, **kwargs):
    curve = {name: kwargs.pop(name) for name in ("low", "high", "dashed", "label") if name in kwargs}
    at = list(range(len(values))) if at is None else at
    return Lines([Curve(np.asarray(values, float), color=RED, **curve)], at=at, title="lines", top=top, **kwargs)


def test_a_curve_has_its_values_and_the_whole_scale_is_seen():
    axes = figure_of(lines([0.25, 1.0, 0.5])).axes[0]
    curve, _ = axes.get_lines()
    assert curve.get_ydata().tolist() == [0.25, 1.0, 0.5]
    low, high = axes.get_ylim()
    assert low < 0.0 < 1.0 < high < 1.1


def test_missing_values_and_skipped_steps_break_the_curve_and_even_gaps_do_not():
    assert pieces(figure_of(lines([0.5, 0.5, np.nan, 0.5, 0.5])).axes[0].get_lines()[0]) == [[0, 1], [3, 4]]
    assert pieces(figure_of(lines([0.5] * 4, at=[0, 1, 5, 6])).axes[0].get_lines()[0]) == [[0, 1], [5, 6]]
    assert pieces(figure_of(lines([0.5] * 3, at=[0, 10, 20])).axes[0].get_lines()[0]) == [[0, 10, 20]]


def test_samples_are_dots_that_are_joined_however_far_apart():
    curve, dots = figure_of(lines([0.5] * 4, at=[1, 3, 6, 8], sampled=True)).axes[0].get_lines()
    assert pieces(curve) == [[1, 3, 6, 8]]
    assert dots.get_xdata().tolist() == [1, 3, 6, 8]
    assert dots.get_marker() == "o"


def test_a_value_without_neighbours_is_a_dot_even_where_steps_have_none():
    _, dots = figure_of(lines([0.5, np.nan, 0.2, 0.3])).axes[0].get_lines()
    assert dots.get_xdata().tolist() == [0]
    _, alone = figure_of(lines([0.5], at=[7])).axes[0].get_lines()
    assert (alone.get_xdata().tolist(), alone.get_ydata().tolist()) == ([7], [0.5])


def test_intervals_are_bands_over_numbers_and_strokes_over_names():
    values = np.full(3, 0.5)
    ends = {"low": values - 0.2, "high": np.array([0.7, np.nan, 0.6])}
    (band,) = figure_of(lines(values, **ends)).axes[0].collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((0.3, 0.7))
    (strokes,) = figure_of(lines(values, at=["input", "block 0", "block 1"], **ends)).axes[0].collections
    assert isinstance(strokes, LineCollection)
    assert strokes.get_segments()[2].tolist() == [[2, pytest.approx(0.3)], [2, pytest.approx(0.6)]]


def test_names_are_written_as_far_as_they_have_room_and_dots_stand_side_by_side():
    names = [f"a long name {n}" for n in range(30)]
    panel = lines(np.zeros(30), at=names, dots=np.full((30, 4), 0.5))
    axes = figure_of(panel).axes[0]
    written = [label.get_text() for label in axes.get_xticklabels()]
    assert written[0] == names[0]
    assert 2 <= len(written) < 10
    assert set(written) <= set(names)
    heads = axes.get_lines()[0]
    assert np.unique(heads.get_xdata()).size == 120
    assert (heads.get_ydata() == 0.5).all()


def test_labels_stand_beside_their_curves_ends_and_never_on_each_other():
    curves = [Curve(np.array([0.1, value]), name, RED) for name, value in (("low", 0.1), ("high", 0.9), ("near", 0.91))]
    figure = figure_of(Lines(curves, at=[0, 1], title="", top=1.0))
    heights = {name: place_of(figure, name)[1] for name in ("low", "high", "near")}
    assert heights["near"] <= heights["high"] - 12
    assert heights["high"] < heights["low"] - 50


def test_panels_of_one_chart_have_axes_of_one_size():
    short, long = lines([0, 1], label="a"), lines([0, 1], label="a much longer label", top=0.000123)
    boxes = [axes.get_position() for axes in figure_of(short, long).axes]
    assert boxes[0].width == pytest.approx(boxes[1].width)


def test_an_axis_of_no_length_is_drawn():
    axes = figure_of(lines([0.0, 0.0], top=0.0)).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["0"]


def test_ticks_are_round_and_inside():
    for low, high in ((0.0, 0.003), (0.0, 0.96), (-1.0, 1.0), (0.0, 7.3), (2.0, 1234.0)):
        ticks = round_ticks(low, high, most=5)
        assert 2 <= len(ticks) <= 6
        assert low <= ticks[0] < ticks[-1] <= high


def test_bars_are_as_long_as_their_values_and_even_attention_is_marked():
    figure = figure_of(
        Bars(np.array([0.25, np.nan, 0.5]), ["a", "b", "c"], "", top=1.0, even=np.array([0.75, 0.5, 0.1]))
    )
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.25, pytest.approx(np.nan, nan_ok=True), 0.5]
    assert axes.get_xlim() == (0, 1)
    (marks,) = axes.collections
    # What has no data has no mark.
    assert [segment[0][0] for segment in marks.get_segments()] == [0.75, 0.1]
    assert marks.get_color()[0][:3] == pytest.approx(np.array(MARK) / 255)
    assert texts(figure).count("no data") == 1
    assert {"0.250", "0.500"} <= set(texts(figure))


def test_means_have_their_intervals_and_counts_and_a_missing_one_says_so():
    means, lows, highs = np.array([0.5, np.nan, -0.2]), np.array([0.4, np.nan, np.nan]), np.array([0.7, np.nan, np.nan])
    figure = figure_of(Intervals(means, lows, highs, ["a", "b", "c"], "", counts=[3, 0, 1], marked=[2]))
    axes = figure.axes[0]
    low, high = axes.get_xlim()
    assert low < -0.2 < 0.0 < 0.7 < high
    segments = [segment.tolist() for each in axes.collections for segment in each.get_segments()]
    assert [[0.4, 0], [0.7, 0]] in segments
    assert texts(figure).count("no data") == 1
    assert {"0.500  n = 3", "-0.200  n = 1"} <= set(texts(figure))


def test_effects_hold_bars_controls_direct_effects_and_the_floor():
    rows = [
        Effect("cover", 0.5, direct=0.2, controls=(0.1, 0.3), pictures=[np.zeros((104, 104, 3), np.uint8)]),
        Effect("say nothing", np.nan, words="(no words)"),
    ]
    figure = figure_of(Effects(rows, "change", 1.0, floor=0.25))
    axes = next(axes for axes in figure.axes if not axes.get_images())
    assert [bar.get_width() for bar in axes.patches[:2]] == [0.5, 0.2]
    strokes = [round(float(segment[0][0]), 3) for each in axes.collections for segment in each.get_segments()]
    assert strokes == [0.1, 0.3, 0.25, 0.25]
    assert {"cover", "0.500", "direct 0.200", "(no words)", "no data"} <= set(texts(figure))


def grid(values, **told):
    labels = {"row_labels": [str(row) for row in range(len(values))]}
    labels["column_labels"] = [str(column) for column in range(values.shape[1])]
    return Grid(values, "", scale=SCALE, **{**labels, **told})


def test_cells_have_the_colours_of_their_values_and_their_numbers():
    values = np.array([[0.0, 0.25, np.nan], [1.0, 0.5, 0.75]])
    axes = figure_of(grid(values)).axes[0]
    (cells,) = (each for each in axes.collections if isinstance(each, QuadMesh))
    np.testing.assert_allclose(cells.get_array(), SCALE.colors(values) / 255, atol=1e-9)
    assert [number.get_text() for number in axes.texts] == ["0", ".25", "1.0", ".50", ".75"]
    # Hatched is where there is no data, and only there.
    (hatched,) = axes.patches
    assert hatched.get_hatch()
    assert hatched.get_xy() == (2, 0)


def test_many_columns_make_narrow_cells_and_long_labels_stand_upright():
    narrow = figure_of(grid(np.zeros((2, 200))))
    assert not narrow.axes[0].texts
    assert narrow.get_size_inches()[0] * narrow.dpi < 950
    long = figure_of(grid(np.zeros((1, 2)), column_labels=["tangerine", "a"]))
    assert {text.get_rotation() for text in long.texts if text.get_text() in ("tangerine", "a")} == {90}


@pytest.mark.parametrize(("even", "told"), [(0.5, "0.5 even"), (1.0, "1 even"), (2.0, "1 (even: 2)")])
def test_even_attention_stands_on_the_scale_or_is_told(even, told):
    figure = figure_of(grid(np.zeros((2, 6)), even=even))
    assert told in texts(figure)
    marks = [line.get_xdata().tolist() for line in figure.axes[-1].get_lines()]
    assert marks == ([[even, even]] if even <= 1 else [])


def test_numbers_fit_cells():
    assert all(len(cell_number(value)) <= 5 for value in (-0.999, 0.0001, -0.0001, 9.99, 99.4, 1234.5))


def test_each_map_stands_at_its_own_place():
    maps = np.zeros((2, 2, 3, 3))
    maps[1, 0, 2, 1] = 1.0
    maps[0, 1, 0, 0] = np.nan
    (image,) = figure_of(Maps(maps, "", SCALE, widest=63)).axes[0].get_images()
    pixels = np.asarray(image.get_array())
    # Cells of 10 pixels, a gap of 3 between maps.
    hot = (pixels == SCALE.colors(np.array([1.0]))[0]).all(axis=-1)
    assert np.argwhere(hot).min(axis=0).tolist() == [33 + 20, 10]
    assert hot.sum() == 100
    missing = (pixels == SCALE.colors(np.array([np.nan]))[0]).all(axis=-1)
    assert np.argwhere(missing).min(axis=0).tolist() == [0, 33]


def test_paths_keep_distances_and_point_up():
    points = np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 0.0]])
    still = Path(np.zeros((3, 2)), "still", PATH_COLORS[1], square=True)
    axes = figure_of(Paths([Path(points, "moving", PATH_COLORS[0]), still], "", ["a", "b", "c"], "x", "y")).axes[0]
    x, y = axes.get_lines()[0].get_data()
    assert np.hypot(x[1] - x[0], y[1] - y[0]) / (x[2] - x[0]) == pytest.approx(5 / 3)
    # The axis counts pixels downwards.
    assert y[1] < y[0]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert {line.get_marker() for line in axes.get_lines()[:4]} == {"None", "o"}
    assert {line.get_marker() for line in axes.get_lines()[4:]} == {"None", "s"}


def test_stages_are_named_beside_a_dot_or_not_at_all():
    box = (0.0, 0.0, 200.0, 200.0)
    dots = np.array([[[100.0, 100.0]] * 9])
    named = stage_places([f"stage {n}" for n in range(9)], dots, box)
    # Four sides of one place have room for four names.
    assert len(named) == 4
    for _, (left, top, right, bottom) in named:
        assert not (left - 4 < 100 < right + 4 and top - 4 < 100 < bottom + 4)


def test_a_chart_wraps_its_texts_and_breaks_where_it_is_told():
    one, more = (figure_of(lines([0, 1]), subtitle=["words " * count]) for count in (1, 60))
    assert more.get_size_inches()[1] > one.get_size_inches()[1]
    tops = [axes.get_position().y1 for axes in figure_of(*[lines([0, 1])] * 5, columns=2, breaks=[3]).axes]
    assert tops[0] == tops[1] > tops[2] > tops[3] == tops[4]
    wide = figure_of(*[lines([0, 1])] * 12)
    assert wide.get_size_inches()[0] * wide.dpi <= 1400
    with pytest.raises(ValueError, match="at least one panel"):
        Chart("nothing", [])


def test_text_from_outside_is_text_and_letters_of_other_scripts_are_drawn():
    hostile = "cost: $x^2$ \\frac{1}{2} _a_ \u4e2d\u6587 caf\u00e9 \u05d0"
    chart = Chart(hostile, [lines([0, 1], label=hostile), Photo(np.zeros((4, 4, 3), np.uint8), hostile)])
    figure = chart_figure(chart)
    shown = hostile.replace("\u05d0", "[U+05D0]")
    assert shown in texts(figure)
    assert not any(text.get_parse_math() for text in figure.findobj(lambda artist: hasattr(artist, "get_parse_math")))
    assert any(text.startswith("[U+05D0], ...: letters") for text in texts(figure))
    assert draw_view(chart).shape[2] == 3


@pytest.fixture(scope="module")
def chart():
    panels = [lines([0.1, np.nan, 0.3], label="a < b"), grid(np.array([[0.5, np.nan]])), Strip(SCALE, "cosine")]
    return Chart("Shares & <tags>", panels, footnote="caf\u00e9 \u4e2d")


def test_a_picture_is_what_is_saved_and_a_vector_figure_holds_letters(chart, tmp_path):
    for ending in ("png", "jpg", "svg", "pdf"):
        save_view(chart, str(tmp_path / f"a.{ending}"))
    with Image.open(tmp_path / "a.png") as png:
        np.testing.assert_array_equal(np.asarray(png), draw_view(chart))
    svg = ElementTree.parse(tmp_path / "a.svg").getroot()
    words = ["".join(each.itertext()) for each in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Shares & <tags>", "a < b", "caf\u00e9 \u4e2d"} <= {word.strip() for word in words}
    # Read elsewhere as it was measured here: the face of English letters lies inside, others have names to be found by.
    text = (tmp_path / "a.svg").read_text()
    assert text.count("@font-face") == 1
    styles = re.findall(r'<text style="([^"]*)"', text)
    assert len(styles) == len(words)
    assert all(style.count("sans-serif") == 1 for style in styles)
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_same_chart_gives_the_same_bytes_without_a_date(chart, ending, tmp_path):
    for name in ("a", "b"):
        save_view(chart, tmp_path / f"{name}.{ending}")
    saved = (tmp_path / f"a.{ending}").read_bytes()
    assert saved == (tmp_path / f"b.{ending}").read_bytes()
    assert not re.search(rb"dc:date|CreationDate|ModDate", saved)


def test_another_ending_is_refused_and_nothing_is_written(chart, tmp_path):
    with pytest.raises(OutputError, match=r"must be named \*\.png, .*got 'a\.pngg'"):
        save_view(chart, tmp_path / "a.pngg")
    with pytest.raises(OutputError, match="Create it first"):
        save_view(chart, tmp_path / "missing" / "a.svg")
    assert not list(tmp_path.iterdir())


def test_a_users_own_style_changes_nothing_and_is_left_alone(chart):
    import matplotlib as mpl

    before = draw_view(chart)
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 30, "lines.linewidth": 9, "savefig.dpi": 20}):
        np.testing.assert_array_equal(draw_view(chart), before)
        assert mpl.rcParams["font.size"] == 30


def test_values_are_made_without_matplotlib():
    code = "import sys, octoscope.views.share_pictures; print([name in sys.modules for name in ('matplotlib', 'jax')])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[False, False]"
