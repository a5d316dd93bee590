import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from octoscope.render.color_bar import ColorBar
from octoscope.render.color_scale import ColorScale
from octoscope.render.hatching import hatch_image
from octoscope.render.lettering import draw_text
from octoscope.render.palette import INK
from octoscope.render.scale_strip import ScaleStrip
from octoscope.render.sheet import Sheet, SheetRow
from octoscope.render.sheet_grid import GridRow, lay_out_grid
from octoscope.render.sheet_page import render_sheet
from octoscope.render.tile import Tile
from octoscope.render.view import draw_view, save_view, view_figure

RED = np.full((64, 64, 3), (255, 0, 0), np.uint8)
BLACK = np.zeros((64, 64, 3), np.uint8)
SETTINGS = {
    "title": "step 4, layer 7",
    "bar": ColorBar(ColorScale(vmax=1.0), "attention weight"),
    "tile_size": 160,
}


def head(index: int, heat: np.ndarray, **fields) -> Tile:
    return Tile(f"head {index}", BLACK, heat=heat, note=f"max {np.nanmax(heat):.3f}", **fields)


def sheet(tiles: list[Tile], subtitle: tuple[str, ...] = (), **settings) -> np.ndarray:
    return render_sheet(Sheet(rows=[SheetRow("primary t", tiles)], subtitle=subtitle, **{**SETTINGS, **settings}))


def box_of(picture: np.ndarray, color: tuple[int, int, int]) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero((picture == color).all(axis=-1))
    return int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1


def test_red_stays_red_in_a_tile_of_the_right_size():
    picture = sheet([Tile("recorded", RED)])
    top, left, bottom, right = box_of(picture, (255, 0, 0))
    assert (bottom - top, right - left) == (160, 160)
    assert (picture[top:bottom, left:right] == (255, 0, 0)).all()


def test_masked_and_nan_cells_are_hatched_in_the_sheet():
    heat = np.array([[np.nan, 0.0], [0.0, 0.0]])
    valid = np.array([[True, True], [True, False]])
    picture = sheet([Tile("recorded", RED), head(0, heat, valid=valid)])
    top, left, _, _ = box_of(picture, (255, 0, 0))
    tile = picture[top : top + 160, left + 168 : left + 328]
    hatch = hatch_image(160, 160)
    assert (tile[:79, :79] == hatch[:79, :79]).all()
    assert (tile[81:, 81:] == hatch[81:, 81:]).all()
    assert tile[40, 120].max() <= 4


def test_the_paper_is_white_around_the_tiles():
    picture = sheet([Tile("recorded", RED)])
    for edge in (picture[:16], picture[-16:], picture[:, :20], picture[:, -20:]):
        assert (edge == 255).all()


@pytest.mark.parametrize("words", [3, 300])
def test_long_texts_never_overflow(words: int):
    text = "instruction " * words
    row = SheetRow(text, [Tile(text, RED, note=text), Tile("head 0", RED, note=text)])
    bar = ColorBar(ColorScale(vmax=1.0), text)
    picture = render_sheet(Sheet(text, [row], subtitle=[text, text], bar=bar, tile_size=160, footnote=text))
    assert (picture[:, -24:] == 255).all()
    assert picture.shape[1] < 900


@pytest.mark.parametrize("tile_size", [96, 160])
def test_a_long_note_reaches_neither_label_nor_neighbour(tile_size: int):
    quiet, loud = (sheet([Tile("a", RED, note=note), Tile("b", RED)], tile_size=tile_size) for note in ("", "n " * 99))
    changed = np.flatnonzero((quiet != loud).any(axis=(0, 2)))
    _, left, _, _ = box_of(quiet, (255, 0, 0))
    assert changed.min() >= left
    assert changed.max() < left + tile_size


def test_the_bar_is_capped_only_by_values_that_are_shown():
    def cap(tile: Tile) -> bool:
        right = sheet([tile])[:, -168:-144]
        return bool((right == INK).all(axis=-1).sum() > 60)

    hot = np.array([[2.0, 0.1]])
    assert cap(head(0, hot))
    assert not cap(head(0, hot, valid=np.array([[False, True]])))
    assert not cap(head(0, np.array([[1.0, np.nan]])))


def test_frames_of_a_film_have_one_size_whatever_their_values():
    shapes = set()
    for step, value in ((9, 0.001), (10, 3.0), (100, np.nan)):
        heat = np.array([[value, 0.0]])
        picture = sheet(
            [Tile("mean", BLACK, heat=heat, note=f"max {value:.3f}")],
            ("octo-small",),
            title=f"step {step}",
            tile_size=96,
        )
        shapes.add(picture.shape)
    assert len(shapes) == 1


def test_a_sheet_is_the_same_every_time():
    heat = np.random.default_rng(0).random((4, 4))
    assert (sheet([head(0, heat)]) == sheet([head(0, heat)])).all()


def test_no_tiles_are_refused():
    with pytest.raises(ValueError, match="at least one tile"):
        Sheet(rows=[SheetRow("primary t", [])], **SETTINGS)


def test_the_lead_of_a_row_ends_at_its_first_head():
    tiles = [Tile(label, RED) for label in ("recorded", "mean", "max", "head 0", "head 1")]
    assert SheetRow("primary t", tiles).lead == 3
    assert SheetRow("primary t", tiles[:3]).lead == 0


@pytest.mark.parametrize("heads", [2, 6, 12, 16])
def test_wide_rows_wrap_under_the_first_head(heads: int):
    grid = lay_out_grid([GridRow([(224, 224)] * (3 + heads), lead=3)] * 2, tile_size=224)
    assert grid.width <= 1700
    (first, second) = grid.places
    assert len(set(first)) == 3 + heads
    wrapped_x = [x for x, y in first if y > first[0][1]]
    assert all(x >= first[3][0] for x in wrapped_x)
    assert min(y for _, y in second) > max(y for _, y in first) + 224


def test_a_film_of_fourteen_small_tiles_is_not_wrapped():
    grid = lay_out_grid([GridRow([(96, 96)] * 14, lead=2)], tile_size=96)
    assert len({y for _, y in grid.places[0]}) == 1


def test_more_lead_tiles_than_a_line_holds_are_wrapped_without_indent():
    grid = lay_out_grid([GridRow([(96, 96)] * 5, lead=4)], tile_size=96, widest_line=210)
    assert [x for x, _ in grid.places[0]] == [0, 104, 0, 104, 0]


def test_frames_of_several_shapes_stand_in_one_grid():
    wide, tall = np.full((32, 64, 3), 10, np.uint8), np.full((64, 32, 3), 20, np.uint8)
    rows = [SheetRow("primary", [Tile("recorded", wide)]), SheetRow("wrist", [Tile("recorded", tall)])]
    picture = render_sheet(Sheet(rows=rows, **SETTINGS))
    first, second = box_of(picture, (10, 10, 10)), box_of(picture, (20, 20, 20))
    assert (first[2] - first[0], first[3] - first[1]) == (80, 160)
    assert (second[2] - second[0], second[3] - second[1]) == (160, 80)
    assert first[1] == second[1]
    assert second[0] > first[2]


@pytest.mark.parametrize("tile_size", [96, 224])
def test_tall_and_narrow_pictures_keep_their_titles(tile_size: int):
    """Of 720 x 64 pixels a tile is 9 or 20 wide: every letter of a title is drawn all the same, and none over the next title."""
    tall = np.full((720, 64, 3), 200, np.uint8)
    labels = ["recorded", "head 10", "head 11"]

    def ink(picture: np.ndarray) -> int:
        return int((picture == INK).all(axis=-1).sum())

    def sheet_ink(titles: list[str]) -> int:
        row = SheetRow("primary t", [Tile(title, tall) for title in titles])
        return ink(render_sheet(Sheet(rows=[row], **(SETTINGS | {"tile_size": tile_size}))))

    grid = lay_out_grid([GridRow([(tile_size, tile_size * 64 // 720)] * 3, 0, labels)], tile_size=tile_size)
    alone = 0
    for label in labels:
        canvas = Image.new("RGB", (200, 40), "white")
        draw_text(canvas, (5, 30), label, size=grid.label_size, anchor="ls")
        alone += ink(np.asarray(canvas))
    assert sheet_ink(labels) - sheet_ink(["", "", ""]) == alone > 0


def test_titles_of_square_tiles_change_no_column():
    with_titles = lay_out_grid([GridRow([(96, 96)] * 5, 1, ["a title that is longer than its tile"] * 5)], tile_size=96)
    assert with_titles == lay_out_grid([GridRow([(96, 96)] * 5, 1)], tile_size=96)


def test_a_tile_is_read_by_its_own_scale_where_it_has_one():
    heat = np.full((2, 2), 0.5)
    own = head(0, heat, scale=ColorScale(vmax=0.5))
    rows = [SheetRow("", [own]), SheetRow("scales", [ScaleStrip(ColorScale(vmax=0.5), "share"), None])]
    picture = render_sheet(Sheet("its own", rows, tile_size=96))
    brightest = ColorScale(vmax=0.5).colors(np.array([0.5]))[0]
    # The tile less its lines, and the end of the strip.
    assert (picture == brightest).all(axis=-1).sum() > 96 * 96 - 500
    with pytest.raises(ValueError, match="neither it nor its sheet has a scale"):
        render_sheet(Sheet("none", [SheetRow("", [head(0, heat)])]))


def test_cells_grow_by_whole_pixels_and_photos_are_smoothed():
    picture = np.zeros((5, 5, 3), np.uint8)
    picture[2, 2] = 255
    cells, photo = (
        render_sheet(Sheet("", [SheetRow("", [Tile("", 1 * picture, cells=kind)])], tile_size=64))
        for kind in (True, False)
    )
    grown = (cells == 0).all(axis=-1)
    rows, columns = np.nonzero(grown)
    assert (rows.max() + 1 - rows.min(), columns.max() + 1 - columns.min()) == (60, 60)
    assert grown.sum() == 60 * 60 - 12 * 12
    assert len(np.unique(photo)) > len(np.unique(cells)) + 5


def test_a_sheet_without_a_bar_wraps_its_title_and_shows_its_strip():
    rows = [SheetRow("", [Tile("one", np.zeros((32, 32, 3), np.uint8))])]
    short = render_sheet(Sheet("one line", rows))
    long = render_sheet(
        Sheet("a title that says only at its very end what is taken away, so it must be read", rows, tile_size=160)
    )
    assert long.shape[0] > short.shape[0] + 15
    scale = ColorScale(vmax=1.0, cmap="viridis")
    strip = render_sheet(Sheet("one line", rows, strip=ScaleStrip(scale, "activation")))
    assert (strip == scale.colors(np.array([1.0]))[0]).all(axis=-1).any()


def test_a_sheet_as_a_vector_figure_has_the_same_pictures_and_its_letters(tmp_path):
    heat = np.array([[0.9, np.nan], [0.1, 2.0]])
    tiles = [Tile("recorded", RED), head(3, heat, outline=np.eye(64, dtype=bool))]
    value = Sheet(
        rows=[SheetRow("primary t-1 (step 3)", tiles)], subtitle=['task: "cost $5"'], footnote="caption", **SETTINGS
    )
    save_view(value, tmp_path / "a.svg")
    svg = ElementTree.parse(tmp_path / "a.svg").getroot()
    words = {"".join(each.itertext()).strip() for each in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert {"step 4, layer 7", 'task: "cost $5"', "recorded", "head 3", "caption", "attention weight", "> 1"} <= words
    figure, picture = view_figure(value), draw_view(value)
    width, height = figure.get_size_inches() * figure.dpi
    assert (round(height), round(width)) == picture.shape[:2]
    embedded = [np.asarray(axes.get_images()[0].get_array()) for axes in figure.axes]
    top, left, _, _ = box_of(picture, (255, 0, 0))
    np.testing.assert_array_equal(embedded[1], picture[top : top + 160, left + 168 : left + 328])
    save_view(value, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
