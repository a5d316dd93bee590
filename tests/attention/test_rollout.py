"""Rollout: by hand for 3 tokens, against the sum over all paths, and what must always hold."""

import numpy as np
import pytest
from slow_methods import rollout as slow_rollout

from hand_made_runs import even_weights, hand_made_run
from octoscope.attention.rollout import attention_rollout, rollout_row, run_rollout
from octoscope.errors import SelectionError


def random_stack(*shape, seed=0):
    drawn = np.random.default_rng(seed).exponential(size=shape)
    return drawn / drawn.sum(axis=-1, keepdims=True)


def test_three_tokens_by_hand():
    first = np.array([[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]])
    last = np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0]]])
    # Without a bypass the last token is half of token 0 and half of token 1 of the layer below, which is half of 0 and of 1.
    np.testing.assert_allclose(attention_rollout(np.stack([first, last]), residual_weight=0.0)[2], [0.75, 0.25, 0.0])
    # With half a bypass: (1/4, 1/4, 1/2) of the layer below, whose rows are (1, 0, 0), (1/4, 3/4, 0), (0, 1/4, 3/4).
    np.testing.assert_allclose(attention_rollout(np.stack([first, last]))[2], [0.3125, 0.3125, 0.375])


@pytest.mark.parametrize("residual", [0.0, 0.3, 1.0])
def test_it_is_the_sum_over_all_paths(residual):
    weights = random_stack(3, 2, 4, 4)
    np.testing.assert_allclose(
        attention_rollout(weights, residual_weight=residual), slow_rollout(weights, residual), atol=1e-12
    )


def test_one_row_equals_that_row_of_the_whole():
    weights = random_stack(4, 3, 6, 6)
    whole = [attention_rollout(weights[depth:], residual_weight=0.4)[5] for depth in range(4)]
    row = rollout_row(weights[::-1], 5, residual_weight=0.4)
    np.testing.assert_allclose(row[:4], whole, atol=1e-12)
    np.testing.assert_array_equal(row[4], np.eye(6)[5])


def test_rows_sum_to_one_and_uniform_in_gives_uniform_out():
    weights = random_stack(5, 2, 7, 7)
    np.testing.assert_allclose(attention_rollout(weights).sum(axis=-1), 1.0)
    even = np.full((3, 2, 5, 5), 0.2)
    np.testing.assert_allclose(attention_rollout(even, residual_weight=0.0), 0.2)


def test_a_masked_key_that_nobody_sees_stays_zero():
    weights = random_stack(3, 2, 5, 5)
    weights[..., 1] = 0.0
    weights[..., 1, 1] = 1.0
    weights[..., 1, [0, 2, 3, 4]] = 0.0
    weights /= weights.sum(axis=-1, keepdims=True)
    reached = attention_rollout(weights)
    assert (np.delete(reached[:, 1], 1) == 0).all()
    assert (rollout_row(weights[::-1], 4)[:, 1] == 0).all()


def test_only_the_bypass_leaves_every_token_as_it_is():
    np.testing.assert_array_equal(attention_rollout(random_stack(3, 1, 4, 4), residual_weight=1.0), np.eye(4))


@pytest.mark.parametrize("residual", [-0.1, 1.1])
def test_a_share_outside_its_range_is_refused(residual):
    with pytest.raises(ValueError, match="residual_weight"):
        attention_rollout(random_stack(1, 1, 2, 2), residual_weight=residual)


def test_missing_weights_are_refused():
    weights = random_stack(2, 1, 3, 3)
    weights[0, 0, 0, 1] = np.nan
    with pytest.raises(ValueError, match="query_groups='all'"):
        attention_rollout(weights)
    with pytest.raises(ValueError, match="at least one layer"):
        rollout_row([], 0)


def test_the_rollout_of_a_run_never_reaches_padded_history():
    run = hand_made_run()
    query = int(run.layout.select("readout_action", timestep=-1)[0])
    row = run_rollout(run, query, step=0)
    np.testing.assert_allclose(row.sum(axis=-1), 1.0, atol=1e-6)
    assert (row[:, run.token_pad(step=0)] == 0).all()
    np.testing.assert_allclose(row[0], attention_rollout(run.attention_matrix(step=0))[query], atol=1e-12)


def test_a_run_of_some_rows_says_how_to_capture_all():
    with pytest.raises(SelectionError, match="--queries all"):
        run_rollout(hand_made_run(even_weights, query_groups=["readout_action"]), 0, step=0)
