"""Relevance and value norms: by hand, against the sum over all paths, and what must always hold."""

import numpy as np
import pytest
from slow_methods import relevance as slow_relevance

from octoscope.attention.relevance import attention_relevance, positive_attention, relevance_row
from octoscope.attention.value_norms import moved_lengths, norm_weighted_attention


def random_pair(*shape, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.exponential(size=shape)
    return weights / weights.sum(axis=-1, keepdims=True), rng.normal(size=shape)


def test_three_tokens_by_hand():
    weights = np.zeros((2, 1, 3, 3))
    gradients = np.ones((2, 1, 3, 3))
    weights[0, 0] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]
    weights[1, 0] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.25, 0.25]]
    gradients[1, 0, 2] = [2.0, -1.0, 0.0]
    # First layer: R = I + A. Second: only its weight on token 0 counts, as 1: token 2 gains row 0 of R, which is (2, 0, 0).
    found = attention_relevance(weights, gradients)
    np.testing.assert_allclose(found[2], [2.0, 0.5, 1.5])
    np.testing.assert_allclose(relevance_row(weights, gradients, 2), [2.0, 0.5, 1.5])


def test_it_is_the_sum_over_all_paths():
    weights, gradients = random_pair(3, 2, 4, 4)
    np.testing.assert_allclose(attention_relevance(weights, gradients), slow_relevance(weights, gradients), atol=1e-12)


def test_one_row_equals_that_row_of_the_whole():
    weights, gradients = random_pair(4, 3, 6, 6)
    whole = attention_relevance(weights, gradients)
    for query in range(6):
        np.testing.assert_allclose(relevance_row(weights, gradients, query), whole[query], atol=1e-12)


def test_a_target_that_no_weight_raises_leaves_the_identity():
    weights, gradients = random_pair(2, 2, 3, 3)
    np.testing.assert_array_equal(attention_relevance(weights, -np.abs(gradients)), np.eye(3))


def test_masked_keys_are_relevant_to_nobody_but_themselves():
    weights, gradients = random_pair(3, 2, 5, 5)
    weights[..., 2] = 0.0
    np.testing.assert_array_equal(attention_relevance(weights, gradients)[:, 2], np.eye(5)[2])


def test_heads_are_averaged_after_the_negative_part_is_dropped():
    weights = np.full((1, 2, 1, 1), 0.5)
    gradients = np.array([[[[4.0]], [[-4.0]]]])
    assert positive_attention(weights, gradients).item() == 1.0


def test_missing_values_are_refused():
    weights, gradients = random_pair(2, 1, 3, 3)
    gradients[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        attention_relevance(weights, gradients)


def test_a_large_weight_on_an_empty_value_moves_little():
    weights = np.array([[[0.9, 0.1, 0.0]]])
    moved = np.array([[[0.01, 0.0], [3.0, 4.0], [7.0, 7.0]]])
    norms = np.linalg.norm(moved, axis=-1)
    np.testing.assert_allclose(norm_weighted_attention(weights, norms), [[[0.009, 0.5, 0.0]]])
    np.testing.assert_allclose(moved_lengths(weights, moved), [[0.009, 0.5, 0.0]])


def test_the_heads_together_move_at_most_the_sum_of_what_each_moves():
    rng = np.random.default_rng(0)
    weights, moved = rng.uniform(size=(3, 4, 5)), rng.normal(size=(3, 5, 8))
    together = moved_lengths(weights, moved)
    apart = norm_weighted_attention(weights, np.linalg.norm(moved, axis=-1)).sum(axis=0)
    assert (together <= apart + 1e-12).all()
    # By the definition, query by query and key by key.
    slow = [[np.linalg.norm(sum(weights[h, q, k] * moved[h, k] for h in range(3))) for k in range(5)] for q in range(4)]
    np.testing.assert_allclose(together, slow)
