"""Sheets and films as arrays: the hot cell where it belongs, one scale, the words that must be in every picture."""

import dataclasses

import av
import numpy as np
import pytest

from octoscope.attention.maps import attention_maps
from octoscope.attention.query import find_query
from octoscope.render.color_scale import ColorScale
from octoscope.render.tile import TilePainter
from octoscope.views.attention_film import attention_film_frames
from octoscope.views.attention_results import write_attention_results
from octoscope.views.attention_sheet import attention_sheet, describe_run, map_tiles
from octoscope.views.layout_picture import layout_chart
from octoscope.views.weight_scale import weight_scale


@pytest.mark.parametrize(("camera", "row", "column"), [("primary", 0, 0), ("primary", 2, 6), ("wrist", 3, 1)])
def test_a_hot_patch_is_drawn_on_its_own_pixels(demo_run, camera, row, column):
    found = attention_maps(demo_run, find_query(demo_run.layout), step=5, layer=0, camera=camera)[-1]
    weights = np.zeros_like(found.weights)
    weights[0, row, column] = 1.0
    hot = dataclasses.replace(found, weights=weights, frame=np.zeros_like(found.frame))
    tile = next(t for t in map_tiles(hot, [0], with_frame=False) if t.label == "head 0")
    longer = max(found.frame.shape[:2]) * 2
    picture = TilePainter(scale=ColorScale(vmax=1.0), tile_size=longer).paint(tile).astype(float).sum(axis=-1)
    bright = picture > 0.5 * picture.max()
    rows, columns = np.nonzero(bright)
    top, left, bottom, right = (
        2 * edge for edge in demo_run.transform(camera).cell_box(found.valid.shape, row, column)
    )
    assert abs(rows.min() - top) <= 1
    assert abs(rows.max() + 1 - bottom) <= 1
    assert abs(columns.min() - left) <= 1
    assert abs(columns.max() + 1 - right) <= 1


def test_tiles_carry_mean_max_and_sums_over_all_heads(demo_run):
    found = attention_maps(demo_run, find_query(demo_run.layout), step=5, layer=0, camera="primary")[-1]
    tiles = map_tiles(found, [2], with_frame=True)
    assert [tile.label for tile in tiles] == ["recorded", "mean", "max", "head 2"]
    np.testing.assert_array_equal(tiles[0].image, found.frame)
    assert tiles[0].heat is None
    np.testing.assert_allclose(tiles[1].heat, found.weights.mean(axis=0))
    np.testing.assert_allclose(tiles[2].heat, found.weights.max(axis=0))
    assert tiles[3].note == f"sum {found.weights[2].sum():.2f}"


def test_the_scale_ends_at_the_largest_weight_of_all_steps(demo_run):
    query = find_query(demo_run.layout)
    weights = {s: [m.weights.max() for m in attention_maps(demo_run, query, step=s, layer=1)] for s in demo_run.steps}
    keys = {s: (query.allowed(demo_run.layout) & ~demo_run.token_pad(step=s)).sum() for s in weights}
    for kind, largest in {
        "linear": max(max(of_step) for of_step in weights.values()),
        "log": max(max(of_step) for of_step in weights.values()),
        "even": max(max(of_step) * keys[step] for step, of_step in weights.items()),
    }.items():
        assert weight_scale(demo_run, query, kind=kind, layers=[1]).top == pytest.approx(largest)


def test_every_picture_says_that_the_demo_is_random(demo_run):
    lines = describe_run(demo_run)
    assert lines[0].startswith("RANDOM WEIGHTS")
    assert any("drawn_table" in line for line in lines)
    assert any("pick up the blue ball" in line for line in lines)


def test_a_sheet_shows_all_heads_and_fewer_on_request(demo_run):
    full = attention_sheet(demo_run, step=5, layer=0)
    some = attention_sheet(demo_run, step=5, layer=0, heads=[1], camera="primary")
    labels = ["recorded", "mean", "max", *(f"head {head}" for head in range(demo_run.num_heads))]
    assert [tile.label for tile in full.rows[0].tiles] == labels
    assert [tile.label for tile in some.rows[0].tiles] == [*labels[:3], "head 1"]
    assert {row.label.split()[0] for row in full.rows[:-1]} == {"primary", "wrist"}
    assert {row.label.split()[0] for row in some.rows[:-1]} == {"primary"}
    assert full.rows[-1].label.startswith("other tokens")
    weights = attention_maps(demo_run, find_query(demo_run.layout), step=5, layer=0)
    for row, found in zip(full.rows[:-1], weights, strict=True):
        np.testing.assert_array_equal(row.tiles[4].heat, found.weights[1])
    linear = attention_sheet(demo_run, step=5, layer=0, scale="linear")
    assert linear.bar.scale.vmax == weight_scale(demo_run, find_query(demo_run.layout), kind="linear", layers=[0]).top
    row = demo_run.layout.select("readout_action", timestep=-1)[0]
    assert full.bar.uniform == pytest.approx(1 / (demo_run.rules[row] & ~demo_run.token_pad(step=5)).sum())
    assert "step 5 of 0.." in full.title
    assert attention_sheet(demo_run, step=5, layer=0, scale="linear", vmax=0.25).bar.scale.vmax == 0.25


def test_film_has_one_frame_per_step_in_step_order(demo_run, tmp_path):
    frames = list(attention_film_frames(demo_run))
    assert len(frames) == len(demo_run.steps)
    assert len({frame.shape for frame in frames}) == 1
    write_attention_results(demo_run, str(tmp_path), layers=[0, 2], camera="primary", gif=True)
    names = sorted(p.name for p in (tmp_path / "attention_results").iterdir())
    assert names == sorted(f"step_{s}_layer_{layer}.png" for s in (0, 1, 5) for layer in (0, 2))
    with av.open(str(tmp_path / "attention_video.mp4")) as film:
        assert film.streams.video[0].frames == len(demo_run.steps)
    assert (tmp_path / "attention_video.gif").stat().st_size > 0


def test_token_matrix_with_and_without_padding(demo_run):
    pad = demo_run.token_pad(step=0)
    plain, padded = (layout_chart(demo_run.layout, title="tokens", pad=given).panels[0] for given in (None, pad))
    np.testing.assert_array_equal(plain.mask, demo_run.layout.rules())
    assert plain.pad is None
    np.testing.assert_array_equal(padded.pad, pad)
    assert [span.label for span in plain.spans][-1].endswith(" t")
    assert sum(span.size for span in plain.spans) == demo_run.layout.size
