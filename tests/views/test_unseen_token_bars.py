"""Bars under a sheet: together with the tiles they are all of the attention, word by word."""

import numpy as np

from octoscope.attention.maps import attention_maps
from octoscope.attention.query import find_query
from octoscope.attention.unseen_tokens import unseen_tokens
from octoscope.render.bar_column import BarColumn, BarNames
from octoscope.views.attention_sheet import attention_sheet
from octoscope.views.unseen_token_bars import unseen_token_rows


def test_bars_and_tiles_are_the_whole_attention(demo_run):
    sheet = attention_sheet(demo_run, step=5, layer=1, heads=[2, 0])
    names, *columns = sheet.rows[-1].tiles
    assert isinstance(names, BarNames)
    assert [column.label for column in columns] == ["mean", "max", "head 2", "head 0"]
    maps = attention_maps(demo_run, find_query(demo_run.layout), step=5, layer=1)
    on_patches = sum(found.on_scene.sum(axis=1) for found in maps)
    for column, head in zip(columns[2:], (2, 0), strict=True):
        np.testing.assert_allclose(column.values.sum() + on_patches[head], 1.0, atol=2e-3)
    np.testing.assert_allclose(columns[0].values.sum() + on_patches.mean(), 1.0, atol=2e-3)


def test_each_word_has_the_weights_of_its_pieces(demo_run):
    (row,) = unseen_token_rows(demo_run, find_query(demo_run.layout), step=5, layer=1, heads=[3])
    names, head = row.tiles[0].names, row.tiles[-1]
    weights = find_query(demo_run.layout).weights(demo_run, step=5, layers=[1])[0, 3]
    for entry in unseen_tokens(demo_run.layout):
        if entry.name in names:
            at = names.index(entry.name)
            np.testing.assert_allclose(head.values[at], weights[list(entry.places)].sum(), rtol=1e-5)
            assert head.even[at] > 0
    assert {"blue", "ball", "blue (repeated)", "ball (repeated)", "readout_action"} <= set(names)


def test_a_long_instruction_keeps_its_sum(demo_run, monkeypatch):
    query = find_query(demo_run.layout)
    (whole,) = unseen_token_rows(demo_run, query, step=5, layer=1, heads=[0])
    monkeypatch.setattr("octoscope.views.unseen_token_bars._MOST_BARS", 5)
    (short,) = unseen_token_rows(demo_run, query, step=5, layer=1, heads=[0])
    assert len(short.tiles[0].names) == 5
    assert short.tiles[0].names[-1].endswith("others")
    for many, few in zip(whole.tiles[1:], short.tiles[1:], strict=True):
        assert isinstance(few, BarColumn)
        if few.label != "max":
            np.testing.assert_allclose(few.values.sum(), many.values.sum(), rtol=1e-5)
        np.testing.assert_allclose(few.even.sum(), many.even.sum())
