"""Only what is asked: rows, keys and layers; what they take; and that nothing pretends to be there."""

import numpy as np
import pytest

import octoscope as osc
from octoscope.attention.maps import attention_maps
from octoscope.attention.query import find_query
from octoscope.attention.shares import NOT_CAPTURED, attention_shares
from octoscope.errors import RunError, SelectionError
from octoscope.policies.octo.attention_rules import with_octo_stack
from octoscope.tokens.attention_selection import select_attention
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.token_source import TokenSource
from octoscope.views.attention_film import attention_film_frames
from octoscope.views.attention_results import film_cameras


def octo_layout(layers=12, heads=12) -> TokenLayout:
    """octo-small-1.5 and octo-base-1.5 with both cameras: 690 tokens."""
    timestep = [
        ("obs_primary", 256, TokenSource("image", ("image_primary",), grid=(16, 16))),
        ("obs_wrist", 64, TokenSource("image", ("image_wrist",), grid=(8, 8))),
        ("obs_task_language", 16, TokenSource("language", repeats="task_language")),
        ("readout_action", 1, TokenSource("readout")),
    ]
    bare = TokenLayout.assemble([("task_language", 16, TokenSource("language"))], timestep, window=2)
    return with_octo_stack(bare, layers, heads)


@pytest.mark.parametrize(
    ("layers", "heads", "queries", "most"),
    [(12, 12, None, 7e6), (12, 12, "readout", 0.2e6), (12, 6, None, 3.5e6), (12, 6, "readout", 0.1e6)],
)
def test_bytes_per_step_of_octo_base_and_small(layers, heads, queries, most):
    layout = octo_layout(layers, heads)
    assert layout.size == 690
    (selection,) = select_attention(layout, query_groups=queries)
    size = selection.bytes_per_step(layout, dtype="float16")
    rows = 1 if queries else 17
    assert size == layers * heads * rows * 690 * 2 <= most


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"query_groups": ["obs_primry"]}, "Did you mean 'obs_primary'"),
        ({"key_groups": ["obs_wirst"]}, "Did you mean 'obs_wrist'"),
        ({"layers": [3, 12]}, r"`layers` must be in 0\.\.11, got 12"),
        ({"layers": []}, "at least one"),
        ({"query_groups": []}, "at least one group"),
        ({"key_groups": []}, "at least one group"),
    ],
)
def test_what_does_not_exist_is_refused(choice, message):
    with pytest.raises(SelectionError, match=message):
        select_attention(octo_layout(), **choice)


@pytest.fixture(scope="module")
def part(demo_model, demo_episode):
    return osc.attend(
        demo_model,
        demo_episode,
        steps=[0, 5],
        options=osc.WatchOptions(
            dtype="float32", query_groups="readout", key_groups=["readout_action", "obs_primary"], layers=[2, 0]
        ),
    )


def test_a_selection_holds_the_same_weights_and_nan_elsewhere(part, demo_run):
    assert (part.query_groups, part.key_groups, part.layers) == (
        ("readout_action",),
        ("obs_primary", "readout_action"),
        (0, 2),
    )
    stored = part.group["attention/transformer/readout_action"]
    assert stored.shape == (2, 2, 4, 1, 2 * 64 + 2)
    weights, whole = part.attention("readout_action", step=5), demo_run.attention("readout_action", step=5)
    kept = part.captured_keys
    np.testing.assert_array_equal(weights[[0, 2]][..., kept], whole[[0, 2]][..., kept])
    assert np.isnan(weights[1]).all()
    assert np.isnan(weights[..., ~kept]).all()
    one = part.attention("readout_action", step=5, layers=[2])
    np.testing.assert_array_equal(one, weights[[2]])


def test_shares_keep_what_was_not_captured_apart(part, demo_run):
    query = find_query(part.layout)
    shares = attention_shares(part.layout, query.weights(part, step=5, layers=[2]))
    whole = attention_shares(part.layout, query.weights(demo_run, step=5, layers=[2]))
    assert set(shares) == {"primary t-1", "primary t", "readout_action", NOT_CAPTURED}
    np.testing.assert_array_equal(shares["primary t"], whole["primary t"])
    dropped = sum(share for name, share in whole.items() if name not in shares)
    np.testing.assert_allclose(shares[NOT_CAPTURED], dropped, atol=1e-6)


def test_pictures_show_what_is_there_and_name_what_is_not(part):
    assert {found.camera for found in attention_maps(part, find_query(part.layout), step=5, layer=2)} == {"primary"}
    assert osc.render_sheet(part, step=5, layer=2).dtype == np.uint8
    assert len(list(attention_film_frames(part))) == 2
    assert film_cameras(part) == {"attention_video": "primary"}
    with pytest.raises(SelectionError, match=r"holds the layers 0, 2, not layer 1\. Capture it with --layers 1"):
        osc.render_sheet(part, step=5, layer=1)
    with pytest.raises(SelectionError, match=r"No attention to obs_wrist was captured.*--keys obs_wrist"):
        osc.render_sheet(part, step=5, layer=2, camera="wrist")


def test_all_rows_make_the_whole_matrix_and_so_does_recomputing(demo_model, demo_episode, demo_run):
    run = osc.attend(
        demo_model, demo_episode, steps=[0, 5], options=osc.WatchOptions(dtype="float32", query_groups="all")
    )
    matrix = run.attention_matrix(step=5)
    assert matrix.shape == (3, 4, run.layout.size, run.layout.size)
    np.testing.assert_allclose(matrix.sum(axis=-1), 1.0, atol=1e-5)
    for group in demo_run.query_groups:
        rows = demo_run.layout.select(group, timestep=-1)
        np.testing.assert_allclose(run.attention(group, step=5), demo_run.attention(group, step=5), atol=1e-7)
        np.testing.assert_allclose(matrix[:, :, rows], demo_run.attention(group, step=5), atol=1e-7)
    again = osc.recompute_attention(demo_model, demo_episode, demo_run, step=5)
    np.testing.assert_allclose(again, matrix, atol=1e-7)
    with pytest.raises(SelectionError, match="recompute_attention"):
        demo_run.attention_matrix(step=5)


def test_recomputing_for_another_episode_or_step_is_refused(demo_model, demo_run):
    with pytest.raises(RunError, match="made with another episode"):
        osc.recompute_attention(demo_model, osc.open_episodes("drawn")[1], demo_run, step=5)
    with pytest.raises(SelectionError, match="holds the steps"):
        osc.recompute_attention(demo_model, osc.open_episodes("drawn")[0], demo_run, step=7)
