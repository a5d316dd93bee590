"""How weights become colours: the right colour at known weights on each scale, the bar that tells it, and what is refused."""

import dataclasses

import numpy as np
import pytest

from octoscope.attention.maps import attention_maps
from octoscope.attention.query import find_query
from octoscope.errors import SelectionError
from octoscope.render.color_bar import _ticks
from octoscope.render.color_scale import ColorScale
from octoscope.render.overlay import render_overlay
from octoscope.render.tile import Tile
from octoscope.views.attention_film import attention_film
from octoscope.views.attention_sheet import attention_sheet
from octoscope.views.weight_scale import SCALES, WeightScale, even_weight, weight_scale

FRAME = np.full((40, 40, 3), (200, 60, 20), np.uint8)


def test_equal_ratios_are_equal_steps_of_colour():
    scale = ColorScale(vmin=0.001, vmax=1.0, spacing="log")
    levels = scale.levels(np.array([0.0, 0.0001, 0.001, 0.01, 0.1, 1.0, 2.0])).astype(int)
    assert levels.tolist() == [0, 0, 0, 85, 170, 255, 255]
    np.testing.assert_allclose(scale.value_at(scale.fraction_of(np.array([0.003, 0.2]))), [0.003, 0.2])
    assert (scale.bottoms_out(np.array([0.0])), scale.tops_out(np.array([1.1]))) == (True, True)
    assert (scale.bottoms_out(np.array([0.001])), scale.tops_out(np.array([1.0]))) == (False, False)
    with pytest.raises(ValueError, match="above 0"):
        ColorScale(vmin=0.0, vmax=1.0, spacing="log")


def test_below_even_the_frame_is_as_recorded_and_masked_cells_stay_hatched():
    scale = WeightScale("even", 64.0).bar(0.01, over="all").scale
    heat = np.array([[0.0, 0.0099], [0.011, np.nan]])
    picture = render_overlay(FRAME, heat, scale=scale, grid=False)
    assert (picture[:20] == FRAME[:20]).all()
    grey = picture[30, 10].astype(int)
    assert grey.max() - grey.min() < 12
    assert not (picture[20:, 20:] == FRAME[20:, 20:]).all()
    # A scale that is not clear below shows the lowest colour there.
    plain = render_overlay(FRAME, heat, scale=dataclasses.replace(scale, clear_below=False), grid=False)
    assert not (plain[:20] == FRAME[:20]).any(axis=-1).all()


def test_the_bar_tells_weights_and_multiples():
    bar = WeightScale("even", 200.0).bar(0.005, over="all")
    assert [tick.text for tick in _ticks(bar, above=True, below=False)] == [
        "> 200x = 1",
        "64x = 0.32",
        "16x = 0.08",
        "4x = 0.02",
        "1x = 0.005 even",
    ]
    padded = WeightScale("even", 200.0).bar(0.01, over="all")
    assert [tick.text for tick in _ticks(padded, above=False, below=False)][:2] == ["200x", "64x = 0.64"]
    log = WeightScale("log", 0.5).bar(0.005, over="all")
    assert [tick.text for tick in _ticks(log, above=False, below=True)] == [
        "0.5",
        "0.05",
        "0.005",
        "0.005 uniform",
        "< 0.0005",
    ]


@pytest.mark.parametrize("kind", SCALES)
def test_every_scale_keeps_raw_weights_and_names_itself(demo_run, kind):
    sheet = attention_sheet(demo_run, step=5, layer=0, scale=kind)
    found = attention_maps(demo_run, find_query(demo_run.layout), step=5, layer=0)
    for row, frame in zip(sheet.rows, found, strict=False):
        for tile, weights in zip(row.tiles[3:], frame.weights, strict=True):
            np.testing.assert_array_equal(tile.heat, weights)
            assert (tile.scale is not None) == (kind == "tile")
    named = {
        "even": "multiples of even (log)",
        "linear": "attention weight, one",
        "log": "(log)",
        "tile": "each tile's own",
    }
    assert named[kind] in sheet.bar.label
    assert ("do not compare tiles" in sheet.footnote) == (kind == "tile")


def test_a_stretched_tile_ends_at_its_own_largest_weight():
    heat = np.array([[0.1, 0.3], [0.0, 0.2]])
    tile = WeightScale("tile", 1.0).on(Tile("head 0", FRAME, heat=heat, note="sum 0.60"))
    assert (tile.scale.vmin, tile.scale.vmax, tile.note) == (0.0, 0.3, "max 0.3")


def test_multiples_hold_over_a_film_though_even_attention_changes(demo_run):
    # With padded history fewer keys are seen, and even attention is more.
    row = find_query(demo_run.layout)
    evens = {step: even_weight(demo_run, row, step=step) for step in demo_run.steps}
    assert len(set(evens.values())) > 1
    scales = [sheet.bar.scale for sheet in attention_film(demo_run).frames]
    assert [scale.vmin for scale in scales] == list(evens.values())
    assert np.ptp([scale.vmax / scale.vmin for scale in scales]) < 1e-9


def test_what_no_scale_can_be_is_refused(demo_run):
    row = find_query(demo_run.layout)
    with pytest.raises(SelectionError, match="even, linear, log, tile"):
        attention_sheet(demo_run, step=5, layer=0, scale="liner")
    for kind, vmax in (("even", 1.0), ("linear", 0.0), ("log", float("nan")), ("tile", 0.5)):
        with pytest.raises(SelectionError, match="vmax"):
            weight_scale(demo_run, row, kind=kind, layers=[0], vmax=vmax)


def test_a_row_that_sees_more_keys_keeps_the_multiples():
    tile = Tile("head 0", FRAME, heat=np.array([[0.02, 0.005]]))
    shared = WeightScale("even", 16.0)
    own = shared.on(tile, even=0.01).scale
    assert (own.vmin, own.vmax) == (0.01, 0.16)
    assert shared.on(tile).scale is None
    # Twice even attention is the same colour in both.
    bar = shared.bar(0.03, over="all").scale
    assert own.levels(np.array([0.02])) == bar.levels(np.array([0.06]))
    assert WeightScale("linear", 1.0).on(tile, even=0.01).scale is None
