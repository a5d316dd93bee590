"""Rows both ways, their even weights, ends of scales, means: against the functions that files and tables are made with."""

import numpy as np
import pytest

from hand_made_runs import hand_made_layout, hand_made_run, random_weights
from octoscope.attention.maps import visible_keys
from octoscope.attention.query import find_query
from octoscope.attention.sinks import find_sinks
from octoscope.errors import SelectionError
from octoscope.viewer.token_rows import read_rows, row_places, step_stretches
from octoscope.viewer.whole_run import query_row, whole_run
from octoscope.views.weight_scale import weight_scales


@pytest.fixture(scope="module")
def run():
    return hand_made_run(steps=5)


def test_what_a_token_looks_at_is_its_row(run):
    readout = int(run.layout.select("readout_action", timestep=-1)[0])
    rows = read_rows(run, [readout], "from", steps=run.steps)
    for at, step in enumerate(run.steps):
        query = find_query(run.layout, "readout_action")
        np.testing.assert_array_equal(rows.weights[at], query.weights(run, step=step)[..., rows.places])
        visible = visible_keys(run, query, step=step)
        expected = np.where(visible, 1.0 / visible.sum(), 0.0)
        np.testing.assert_allclose(rows.even[at], expected[rows.places], rtol=1e-6)


def test_a_word_of_several_pieces_looks_with_their_mean_and_is_looked_at_with_their_sum(run):
    pieces = run.layout.select("obs_task_language", timestep=-1)[:2].tolist()
    rows = read_rows(run, pieces, "from", steps=[2])
    matrix = run.attention_matrix(step=2)
    np.testing.assert_allclose(rows.weights[0], matrix[:, :, pieces].mean(axis=2)[..., rows.places], rtol=1e-6)
    columns = read_rows(run, pieces, "to", steps=[2])
    np.testing.assert_allclose(columns.weights[0], matrix[..., pieces].sum(axis=-1)[..., columns.places], rtol=1e-6)


def test_who_looks_at_a_token_is_a_column_and_even_is_each_lookers_own(run):
    patch = int(run.layout.select("obs_primary", timestep=-1)[1])
    columns = read_rows(run, [patch], "to", steps=[0, 1])
    for at, step in enumerate([0, 1]):
        matrix = run.attention_matrix(step=step)
        np.testing.assert_array_equal(columns.weights[at], matrix[..., columns.places, patch])
        visible = run.rules & ~run.token_pad(step=step)
        expected = visible[:, patch] / np.maximum(1, visible.sum(axis=1))
        np.testing.assert_allclose(columns.even[at], expected[columns.places], rtol=1e-6)
    # Words in front see no picture: masked, which is something else than a low weight.
    assert (columns.even[:, :3] == 0).all()


def test_the_scales_end_where_those_of_the_files_do(run):
    readout = int(run.layout.select("readout_action", timestep=-1)[0])
    whole = whole_run(run, [readout], "from")
    query = find_query(run.layout, "readout_action")
    for kind, tops in (("linear", whole.largest), ("even", whole.largest_multiple)):
        scales = weight_scales(run, query, kind=kind, layers=run.layers)
        expected = [max(scale.top, 0.0) for scale in scales.values()]
        np.testing.assert_allclose(np.maximum(tops, 4.0) if kind == "even" else tops, expected, rtol=1e-6)


def test_means_leave_out_steps_at_which_a_token_is_padding(run):
    readout = int(run.layout.select("readout_action", timestep=-1)[0])
    patch = int(run.layout.select("obs_primary", timestep=0)[0])
    whole = whole_run(run, [readout], "from")
    at = whole.places.tolist().index(patch)
    stored = np.stack([run.attention_matrix(step=step)[:, :, readout, patch] for step in run.steps])
    # At step 0 the timestep before is padded history.
    np.testing.assert_allclose(whole.mean[..., at], stored[1:].mean(axis=0), rtol=1e-3)


def test_sinks_are_those_of_the_table():
    def sinking(visible, step):
        weights = random_weights(visible, step)
        weights[..., 4:5] += 20.0 * visible[..., 4:5]
        return weights / np.maximum(weights.sum(axis=-1, keepdims=True), 1e-30)

    run = hand_made_run(sinking, steps=4)
    readout = int(run.layout.select("readout_action", timestep=-1)[0])
    expected = [(sink.layer, sink.key) for sink in find_sinks(run, "readout_action", times_uniform=5.0)]
    assert list(whole_run(run, [readout], "from").sinks) == expected
    assert whole_run(run, [readout], "to").sinks_note != ""
    assert whole_run(hand_made_run(steps=2), [readout], "from").sinks_note.startswith("No sinks are marked")


def test_what_is_not_there_is_told_with_what_would_capture_it():
    run = hand_made_run(query_groups=["readout_action"], key_groups=["obs_primary"])
    patch = int(run.layout.select("obs_primary", timestep=-1)[0])
    with pytest.raises(SelectionError, match="--queries readout_action obs_primary"):
        read_rows(run, [patch], "from", steps=[0])
    with pytest.raises(SelectionError, match="--keys"):
        read_rows(run, [0], "to", steps=[0])
    with pytest.raises(SelectionError, match=r"0\.\."):
        read_rows(run, [9999], "from", steps=[0])
    with pytest.raises(SelectionError, match="holds the steps"):
        read_rows(run, [int(row_places(run)[0])], "from", steps=[99])
    with pytest.raises(SelectionError, match="follow each other"):
        read_rows(run, [int(row_places(run)[0])], "from", steps=[0, 2])


def test_stretches_cover_every_step_once(run):
    assert [step for steps in step_stretches(run) for step in steps] == list(run.steps)


def test_only_tokens_of_the_current_timestep_are_rows_of_tables(run):
    layout = hand_made_layout()
    now, before = (int(layout.select("readout_action", timestep=at)[0]) for at in (1, 0))
    row = query_row(run, [now])
    assert row is not None
    assert (row.group, row.positions) == ("readout_action", (0,))
    assert query_row(run, [before]) is None
    assert query_row(run, []) is None
