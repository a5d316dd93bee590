"""Maps: each timestep on its own frame, each weight in its own cell; shares that sum to 1."""

import numpy as np
import pytest

from octoscope.attention.maps import attention_maps, visible_keys
from octoscope.attention.query import find_query
from octoscope.attention.shares import attention_shares
from octoscope.errors import SelectionError


def test_each_timestep_is_on_its_own_frame(demo_run, demo_episode):
    query = find_query(demo_run.layout)
    maps = attention_maps(demo_run, query, step=5, layer=1)
    assert [(m.camera, m.steps_back, m.frame_step) for m in maps] == [
        ("primary", 1, 4),
        ("primary", 0, 5),
        ("wrist", 1, 4),
        ("wrist", 0, 5),
    ]
    for found in maps:
        np.testing.assert_array_equal(found.frame, demo_episode.images[found.camera][found.frame_step])
        assert found.valid.all()
        assert not found.padded


def test_maps_are_the_weights_of_their_patches(demo_run):
    query = find_query(demo_run.layout)
    row = query.weights(demo_run, step=5)[2]
    for token in demo_run.layout.tokens():
        if token.row is None:
            continue
        found = next(
            m
            for m in attention_maps(demo_run, query, step=5, layer=2, camera=token.cameras[0])
            if m.steps_back == demo_run.layout.window - 1 - token.timestep
        )
        np.testing.assert_array_equal(found.weights[:, token.row, token.column], row[:, token.index])


def test_padded_history_is_marked_and_not_valid(demo_run):
    before, now = attention_maps(demo_run, find_query(demo_run.layout), step=0, layer=0, camera="primary")
    assert before.padded
    assert not before.valid.any()
    assert not now.padded
    assert now.valid.all()


def test_shares_sum_to_one_and_tell_words_from_padding(demo_run):
    query = find_query(demo_run.layout)
    shares = attention_shares(demo_run.layout, query.weights(demo_run, step=5))
    assert {"words", "padding of words", "repeated words", "primary t-1", "primary t", "wrist t"} <= shares.keys()
    np.testing.assert_allclose(sum(shares.values()), 1.0, atol=1e-5)


def test_a_word_is_the_mean_of_its_pieces(demo_run):
    word = find_query(demo_run.layout, "word:blue")
    assert (word.group, word.positions, word.label) == ("obs_task_language", (3,), "word 'blue'")
    np.testing.assert_allclose(word.weights(demo_run, step=5).sum(axis=-1), 1.0, atol=1e-5)


def test_a_word_may_not_look_at_the_readout(demo_run):
    visible = visible_keys(demo_run, find_query(demo_run.layout, "word:blue"), step=5)
    assert not visible[demo_run.layout.select("readout_action")].any()
    assert visible[demo_run.layout.select("obs_primary")].all()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("word:bleu", "no word 'bleu'.*Did you mean 'blue'"),
        ("readout_action:1", r"tokens 0\.\.0, got '1'"),
        ("readout_acton", "Did you mean 'readout_action'"),
    ],
)
def test_queries_that_do_not_exist(demo_run, query, message):
    with pytest.raises(SelectionError, match=message):
        find_query(demo_run.layout, query)


def test_a_layer_and_camera_that_do_not_exist(demo_run):
    query = find_query(demo_run.layout)
    with pytest.raises(SelectionError, match=r"`layer` must be in 0\.\.2"):
        attention_maps(demo_run, query, step=0, layer=3)
    with pytest.raises(SelectionError, match="Did you mean 'primary'"):
        attention_maps(demo_run, query, step=0, layer=0, camera="primari")
