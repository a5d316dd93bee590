"""Share tables: shares that sum to 1, beside those of even attention, for whole runs and for runs of some keys."""

import numpy as np
import pytest

from hand_made_runs import even_weights, hand_made_layout, hand_made_run
from octoscope.attention.query import find_query
from octoscope.attention.share_table import share_table, uniform_shares
from octoscope.attention.shares import NOT_CAPTURED, attention_shares
from octoscope.errors import SelectionError
from octoscope.policies.octo.words.word_pieces import describe_pieces


def test_shares_and_even_shares_sum_to_one_at_every_step():
    table = share_table(hand_made_run())
    assert table.names == (
        "words",
        "padding of words",
        "primary t-1",
        "repeated words",
        "padding of repeated words",
        "readout_action",
        "primary t",
    )
    assert table.shares.shape == (4, 2, 2, 7)
    np.testing.assert_allclose(table.shares.sum(axis=-1), 1.0, atol=1e-6)
    np.testing.assert_allclose(table.uniform.sum(axis=-1), 1.0, atol=1e-12)


def test_even_attention_has_even_shares():
    table = share_table(hand_made_run(even_weights))
    np.testing.assert_allclose(
        table.shares, np.broadcast_to(table.uniform[:, None, None], table.shares.shape), atol=1e-6
    )


def test_even_shares_count_visible_tokens():
    run = hand_made_run()
    readout = find_query(run.layout)
    # At step 0: 3 pieces in front, then 4 patches, 3 repeated pieces and the readout itself.
    first = uniform_shares(run, readout, step=0)
    assert first["words"] == pytest.approx(2 / 11)
    assert first["primary t-1"] == 0.0
    assert first["primary t"] == pytest.approx(4 / 11)
    later = uniform_shares(run, readout, step=1)
    assert later["primary t-1"] == pytest.approx(4 / 19)
    assert later["repeated words"] == pytest.approx(4 / 19)


def test_keys_that_were_not_captured_are_a_share_of_their_own():
    part = share_table(hand_made_run(key_groups=["obs_primary", "task_language"]))
    whole = share_table(hand_made_run())
    assert part.names[-1] == NOT_CAPTURED
    np.testing.assert_allclose(part.shares.sum(axis=-1), 1.0, atol=1e-6)
    np.testing.assert_allclose(part.uniform.sum(axis=-1), 1.0, atol=1e-12)
    np.testing.assert_allclose(part.of("primary t"), whole.of("primary t"))
    missing = sum(whole.of(name) for name in ("repeated words", "padding of repeated words", "readout_action"))
    np.testing.assert_allclose(part.of(NOT_CAPTURED), missing, atol=1e-6)


def test_words_are_those_in_front_and_repeated_without_padding():
    table = share_table(hand_made_run())
    np.testing.assert_allclose(table.on_words(), table.of("words") + table.of("repeated words"))
    np.testing.assert_allclose(table.uniform_on_words()[1], 6 / 19)


def test_neither_the_end_mark_nor_padding_counts_to_the_words():
    """The share on words is that of the pieces that spell the instruction, by hand."""
    layout = hand_made_layout().with_pieces(describe_pieces(["\u2581the", "</s>", "<pad>"]))
    weights = np.arange(layout.size, dtype=float) / np.arange(layout.size).sum()
    shares = attention_shares(layout, weights)
    front, repeated = layout.find_spans("task_language")[0], layout.find_spans("obs_task_language")
    for place, name in enumerate(("words", "</s> of words", "padding of words")):
        assert shares[name] == pytest.approx(weights[front.start + place])
        copies = sum(weights[span.start + place] for span in repeated)
        assert shares[name.replace("words", "repeated words")] == pytest.approx(copies)
    assert sum(shares.values()) == pytest.approx(1.0)


def test_a_run_without_attention_to_words_says_so():
    with pytest.raises(SelectionError, match="no attention to words"):
        share_table(hand_made_run(key_groups=["obs_primary"])).on_words()


def test_an_unknown_share_offers_the_nearest():
    with pytest.raises(SelectionError, match="Did you mean 'primary t'"):
        share_table(hand_made_run()).of("primary")


def test_some_layers_and_steps_keep_their_numbers():
    run = hand_made_run(layers=[1])
    table = share_table(run, "word:ball", steps=[3, 1])
    assert (table.layers, table.steps) == ((1,), (3, 1))
    np.testing.assert_allclose(table.shares[1], share_table(run, "word:ball").shares[1])


def test_a_policy_that_repeats_no_words():
    table = share_table(hand_made_run(layout=hand_made_layout(repeat=False)))
    assert "repeated words" not in table.names
    np.testing.assert_allclose(table.on_words(), table.of("words"))
