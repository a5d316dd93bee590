"""Pictures of shares, words and heads: every kind is drawn, for whole runs and for runs of some keys, rows and steps."""

import numpy as np
import pytest

from octoscope.attention.head_statistics import head_table
from octoscope.attention.sinks import find_sinks
from octoscope.errors import SelectionError
from octoscope.views import words_sheet
from octoscope.views.head_pictures import render_deviation_grids, render_head_grids
from octoscope.views.language_use import render_language_use
from octoscope.views.share_pictures import render_share_bars, render_share_curves, render_share_grids
from octoscope.views.words_sheet import (
    largest_patch_share,
    largest_word_weight,
    render_patch_words_sheet,
    render_words_sheet,
)


def is_picture(image):
    return image.dtype == np.uint8 and image.ndim == 3 and len(np.unique(image.reshape(-1, 3), axis=0)) > 5


def test_shares_of_a_run_that_skips_steps(demo_run):
    assert is_picture(render_share_bars(demo_run))
    assert is_picture(render_share_grids(demo_run))
    assert is_picture(render_share_curves(demo_run, layer=2))
    assert is_picture(render_language_use(demo_run))


def test_shares_of_a_word(demo_run):
    readout = render_share_bars(demo_run)
    word = render_share_bars(demo_run, query="word:ball")
    assert not np.array_equal(readout[: min(map(len, (readout, word)))], word[: min(map(len, (readout, word)))])


def test_heads_and_their_deviation(demo_run):
    table = head_table(demo_run)
    assert is_picture(render_head_grids(demo_run, table, sinks=find_sinks(demo_run)))
    assert is_picture(render_deviation_grids(demo_run, table))


def test_a_words_sheet_has_a_column_for_each_word(demo_run, monkeypatch):
    shown = []
    draw = words_sheet.render_sheet

    def drawn(rows, **kwargs):
        shown.append((rows, kwargs))
        return draw(rows, **kwargs)

    monkeypatch.setattr(words_sheet, "render_sheet", drawn)
    render_words_sheet(demo_run, step=5, layer=1)
    rows, told = shown[0]
    assert [row.label for row in rows] == [
        "primary t-1 (step 4)",
        "primary t (step 5)",
        "wrist t-1 (step 4)",
        "wrist t (step 5)",
    ]
    assert [tile.label for tile in rows[0].tiles] == ["recorded", "pick", "up", "the", "blue", "ball"]
    assert "mean over 4 heads" in told["title"]
    blue = demo_run.attention("obs_task_language", step=5)[1, :, 3].mean(axis=0)
    np.testing.assert_allclose(
        rows[1].tiles[4].heat.ravel(), blue[demo_run.layout.select("obs_primary", timestep=-1)], rtol=1e-6
    )


def test_the_scale_of_words_holds_for_all_steps(demo_run):
    top = largest_word_weight(demo_run, layer=1, camera="primary")
    rows = [demo_run.attention("obs_task_language", step=step)[1].mean(axis=0)[:5] for step in demo_run.steps]
    patches = np.concatenate([demo_run.layout.select("obs_primary")])
    assert top == pytest.approx(max(float(row[:, patches].max()) for row in rows))


def test_words_of_one_head_and_with_padding(demo_run):
    some = render_words_sheet(demo_run, step=5, layer=0, head=2, camera="primary", vmax=0.1)
    more = render_words_sheet(demo_run, step=5, layer=0, head=2, camera="primary", vmax=0.1, padding=True)
    assert more.shape[1] > some.shape[1]


def test_patches_need_their_rows(demo_run):
    with pytest.raises(SelectionError, match="obs_primary obs_wrist"):
        render_patch_words_sheet(demo_run, step=5, layer=0)
    with pytest.raises(SelectionError, match="obs_primary obs_wrist"):
        largest_patch_share(demo_run, layer=0)
