"""Words and patches: which rows and keys are a word's, and what a run must hold for either direction."""

import numpy as np
import pytest

from hand_made_runs import hand_made_layout, hand_made_run
from octoscope.attention.instruction_words import instruction_words, word_copies, word_queries
from octoscope.attention.patch_words import patch_words
from octoscope.errors import SelectionError
from octoscope.policies.octo.words.word_pieces import describe_pieces

JOINED = ("\u2581car", "rot", "\u2581on", "\u2581the", "\u2581the", "</s>", "<pad>", "<pad>")


def test_pieces_are_joined_and_a_word_that_comes_again_is_numbered():
    words = instruction_words(hand_made_layout(pieces=JOINED))
    assert [(word.text, word.positions) for word in words] == [
        ("carrot", (0, 1)),
        ("on", (2,)),
        ("the", (3,)),
        ("the (2nd)", (4,)),
    ]


def test_end_mark_and_padding_come_when_asked_for():
    words = instruction_words(hand_made_layout(pieces=JOINED), padding=True)
    assert [(word.text, word.positions) for word in words[-2:]] == [("</s>", (5,)), ("<pad> x 2", (6, 7))]


def test_each_query_is_a_word_of_the_current_copy():
    run = hand_made_run(layout=hand_made_layout(pieces=JOINED))
    carrot = word_queries(run.layout)[0]
    rows = run.attention("obs_task_language", step=2)[:, :, :2].mean(axis=2)
    np.testing.assert_array_equal(carrot.weights(run, step=2), rows)
    np.testing.assert_allclose(carrot.weights(run, step=2).sum(axis=-1), 1.0, atol=1e-6)


def test_the_second_of_two_equal_words_has_rows_of_its_own():
    queries = word_queries(hand_made_layout(pieces=JOINED))
    assert [query.positions for query in queries] == [(0, 1), (2,), (3,), (4,)]


def test_what_patches_give_to_words_is_the_sum_over_pieces():
    run = hand_made_run(layout=hand_made_layout(pieces=JOINED))
    found = patch_words(run, step=2, layer=1)
    assert [each.copy for each in found] == ["words in front", "repeated words t-1", "repeated words t"]
    patches = run.layout.select("obs_primary", timestep=-1)
    matrix = run.attention_matrix(step=2)[1]
    for each, copy in zip(found, word_copies(run.layout), strict=True):
        for place, word in enumerate(instruction_words(run.layout)):
            expected = matrix[:, patches][..., [copy.span.start + piece for piece in word.positions]].sum(axis=-1)
            np.testing.assert_allclose(each.weights[:, place].reshape(2, 4), expected, atol=1e-7)


def test_words_of_padded_history_are_not_visible():
    found = {each.copy: each for each in patch_words(hand_made_run(), step=0, layer=0)}
    assert not found["repeated words t-1"].visible.any()
    assert (found["repeated words t-1"].weights == 0).all()
    assert found["words in front"].visible.all()
    assert found["repeated words t"].visible.all()


def test_words_and_padding_make_up_the_share_on_language():
    run = hand_made_run()
    everything = patch_words(run, step=2, layer=0, padding=True)
    patches = run.attention("obs_primary", step=2, layers=[0])[0]
    for each, copy in zip(everything, word_copies(run.layout), strict=True):
        expected = patches[..., copy.span.start : copy.span.stop].sum(axis=-1)
        np.testing.assert_allclose(each.weights.sum(axis=1).reshape(2, 4), expected, atol=1e-6)


def test_a_run_without_rows_of_patches_says_how_to_capture_them():
    run = hand_made_run(query_groups=["readout_action"])
    with pytest.raises(SelectionError, match="--queries readout_action obs_primary"):
        patch_words(run, step=0, layer=0)


def test_a_run_without_attention_to_words_says_how_to_capture_it():
    run = hand_made_run(key_groups=["obs_primary"])
    with pytest.raises(SelectionError, match="--keys task_language obs_task_language"):
        patch_words(run, step=0, layer=0)


def test_words_that_are_not_repeated_see_no_image():
    layout = hand_made_layout(repeat=False)
    with pytest.raises(SelectionError, match="look only at each other"):
        word_queries(layout)
    assert [each.copy for each in patch_words(hand_made_run(layout=layout), step=1, layer=0)] == ["words in front"]


def test_a_policy_that_reads_no_words():
    layout = hand_made_layout()
    with pytest.raises(SelectionError, match="No token of this run is a word"):
        instruction_words(layout.with_pieces(describe_pieces(["one"])))
