import numpy as np
import pytest

from octoscope.render.blend import blend_heat, blend_table
from octoscope.render.color_scale import UNIFORM_MAPS, ColorScale, color_table
from octoscope.render.hatching import hatch_image
from octoscope.render.overlay import render_overlay

SCALE = ColorScale(vmax=1.0)
BLACK = np.zeros((256, 256, 3), np.uint8)


def heat_centroid(picture: np.ndarray) -> tuple[float, float]:
    """Row and column of the light on a black frame, in pixels."""
    light = picture[..., 0].astype(float)
    rows, columns = np.indices(light.shape)
    return float((light * rows).sum() / light.sum()), float((light * columns).sum() / light.sum())


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("image", [(256, 256), (180, 320), (64, 64)])
@pytest.mark.parametrize("grid", [(16, 16), (7, 7), (8, 12)])
@pytest.mark.parametrize("size", [None, 224])
def test_one_hot_cell_lands_within_a_pixel(image, grid, size, smooth):
    row, column = grid[0] // 3, grid[1] - 3
    heat = np.zeros(grid)
    heat[row, column] = 1.0
    picture = render_overlay(np.zeros((*image, 3), np.uint8), heat, scale=SCALE, size=size, smooth=smooth, grid=False)
    height, width = picture.shape[:2]
    true = ((row + 0.5) * height / grid[0] - 0.5, (column + 0.5) * width / grid[1] - 0.5)
    assert heat_centroid(picture) == pytest.approx(true, abs=1.0)


@pytest.mark.parametrize("smooth", [False, True])
def test_one_hot_cell_of_a_box_lands_within_a_pixel(smooth):
    heat = np.zeros((4, 4))
    heat[1, 2] = 1.0
    # Rows of 24 and columns of 32 recorded pixels, from (32, 16); drawn twice as large.
    picture = render_overlay(
        np.zeros((128, 160, 3), np.uint8),
        heat,
        scale=SCALE,
        box=(32, 16, 128, 144),
        size=320,
        smooth=smooth,
        grid=False,
    )
    inside = picture.copy()
    inside[:64], inside[:, :32], inside[:, 288:] = 0, 0, 0
    assert heat_centroid(inside) == pytest.approx((2 * (32 + 1.5 * 24) - 0.5, 2 * (16 + 2.5 * 32) - 0.5), abs=1.0)


def test_nearest_cells_are_exact_colours():
    heat = np.array([[0.0, 1.0], [0.5, 0.25]])
    picture = render_overlay(np.full((64, 64, 3), 128, np.uint8), heat, scale=SCALE, grid=False)
    table = blend_table("magma")[[0, 255, 128, 64], 128]
    assert (picture[:32, :32] == table[0]).all()
    assert (picture[:32, 32:] == table[1]).all()
    assert (picture[32:, :32] == table[2]).all()
    assert (picture[32:, 32:] == table[3]).all()


def test_the_hottest_pixel_is_rgb():
    picture = render_overlay(BLACK, np.ones((2, 2)), scale=ColorScale(vmax=1.0, cmap="plasma"))
    # Yellow; with the channels swapped it would be blue.
    assert picture[64, 64].tolist() == [240, 249, 33]


@pytest.mark.parametrize("cmap", UNIFORM_MAPS)
def test_the_frame_is_shown_without_colour(cmap):
    red = np.full((32, 32, 3), (255, 0, 0), np.uint8)
    picture = render_overlay(red, np.zeros((2, 2)), scale=ColorScale(vmax=1.0, cmap=cmap))
    assert np.ptp(picture[8, 8]) == 0


def test_smooth_view_keeps_values_at_centres_and_halfway_between():
    heat = np.array([[0.0, 1.0]])
    picture = render_overlay(np.zeros((20, 200, 3), np.uint8), heat, scale=SCALE, smooth=True)
    greens = picture[10, :, 1].astype(int)
    table = blend_table("magma")[:, 0, 1].astype(int)
    assert greens[[0, 25]].tolist() == [0, 0]
    assert abs(greens[100] - table[128]) <= 4
    assert greens[[175, 199]].tolist() == [253, 253]


@pytest.mark.parametrize("smooth", [False, True])
def test_nan_and_masked_cells_are_hatched_and_not_low(smooth):
    heat = np.full((4, 4), 0.5)
    heat[0, 1], heat[2, 2] = np.nan, 0.0
    valid = np.ones((4, 4), bool)
    valid[2, 2] = False
    picture = render_overlay(BLACK, heat, scale=SCALE, smooth=smooth, valid=valid, grid=False)
    hatch = hatch_image(256, 256)
    for row, column in ((0, 1), (2, 2)):
        cell = np.s_[row * 64 : row * 64 + 64, column * 64 : column * 64 + 64]
        assert (picture[cell] == hatch[cell]).all()
    # The others are as if the cells without data were not there: in the smooth view too, nothing is pulled down.
    known = np.ones((4, 4), bool)
    known[0, 1] = known[2, 2] = False
    others = np.kron(known, np.ones((64, 64), bool))
    assert (picture[others] == blend_table("magma")[128, 0]).all()


def test_a_picture_without_any_data_is_hatched_all_over():
    picture = render_overlay(BLACK, np.full((2, 3), np.nan), scale=SCALE, smooth=True)
    assert (picture == hatch_image(256, 256)).all()


def test_outside_the_box_the_frame_is_washed_out():
    picture = render_overlay(BLACK, np.zeros((2, 2)), scale=SCALE, box=(0.0, 64.0, 256.0, 192.0))
    assert (picture[:, :64] == 153).all()
    assert (picture[:, 192:] == 153).all()
    assert picture[100, 100].max() <= 4


def test_a_letterboxed_grid_is_cut_off_at_the_frame():
    heat = np.zeros((4, 4))
    heat[0] = 1.0
    # The policy saw a square; the frame is its middle half, so the first and the last row of patches lie outside.
    picture = render_overlay(np.zeros((64, 128, 3), np.uint8), heat, scale=SCALE, box=(-32, 0, 96, 128))
    assert picture.max() < 60


def test_grid_lines_lie_between_cells_and_can_be_left_out():
    frame = np.full((64, 64, 3), 255, np.uint8)
    heat = np.ones((4, 4))
    lined = render_overlay(frame, heat, scale=SCALE)
    plain = render_overlay(frame, heat, scale=SCALE, grid=False)
    changed = (lined != plain).any(axis=-1)
    assert np.flatnonzero(changed[8]).tolist() == [16, 32, 48]
    assert np.flatnonzero(changed[:, 8]).tolist() == [16, 32, 48]


def test_fine_grids_get_no_lines():
    frame = np.full((64, 64, 3), 255, np.uint8)
    heat = np.ones((16, 16))
    lined = render_overlay(frame, heat, scale=SCALE)
    assert (lined == render_overlay(frame, heat, scale=SCALE, grid=False)).all()


def test_half_floats_are_drawn_like_floats():
    heat = np.linspace(0, 1, 16).reshape(4, 4)
    half = render_overlay(BLACK, heat.astype(np.float16), scale=SCALE)
    assert np.abs(half.astype(int) - render_overlay(BLACK, heat, scale=SCALE)).max() <= 4


def test_arguments_are_left_as_they_were():
    frame, heat = np.full((32, 32, 3), 90, np.uint8), np.array([[0.5, np.nan]])
    render_overlay(frame, heat, scale=SCALE, smooth=True)
    assert (frame == 90).all()
    assert np.isnan(heat[0, 1])


@pytest.mark.parametrize("box", [(0, 0, 0, 64), (10, 0, 5, 64), (0, 20, 64, 20)])
def test_a_box_without_area_is_refused(box):
    with pytest.raises(ValueError, match="`box` must be"):
        render_overlay(BLACK, np.ones((2, 2)), scale=SCALE, box=box)


def test_a_size_below_one_is_refused():
    with pytest.raises(ValueError, match="`size` must be at least 1"):
        render_overlay(BLACK, np.ones((2, 2)), scale=SCALE, size=0)


def test_a_map_of_two_directions_shows_the_scene_at_zero_and_pure_colours_at_its_ends():
    scene = np.arange(256, dtype=np.uint8)[None]
    scale = ColorScale.around_zero([np.array([2.0])])
    colors = color_table(scale.cmap)
    for value, level in ((2.0, -1), (-2.0, 0), (0.7, 172), (-0.7, 83)):
        blended = blend_heat(np.full(scene.shape, value), scene, scale=scale)
        np.testing.assert_array_equal(blended, np.broadcast_to(colors[level], blended.shape))
    nothing = blend_heat(np.zeros(scene.shape), scene, scale=scale)[0].astype(int)
    # Grey but for the half level that 0 lies off the table's middle, and lighter where the scene is.
    assert (np.ptp(nothing, axis=-1) <= 2).all()
    assert (np.diff(nothing[:, 0]) >= 0).all()
    assert nothing[-1, 0] - nothing[0, 0] > 100
