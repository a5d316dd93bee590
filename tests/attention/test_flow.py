"""Flow: by hand for 3 tokens, against the narrowest of all cuts, and against linear programming."""

import numpy as np
import pytest
from scipy.optimize import linprog
from slow_methods import flow as slow_flow

from octoscope.attention.flow import attention_flow, maximum_flow


def random_stack(*shape, seed=0):
    drawn = np.random.default_rng(seed).exponential(size=shape)
    return drawn / drawn.sum(axis=-1, keepdims=True)


def test_three_tokens_by_hand():
    first = np.array([[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]])
    last = np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.25, 0.75, 0.0]]])
    flow = attention_flow(np.stack([first, last]), 2, residual_weight=0.0)
    # To token 0: a quarter straight, and a half through token 1, whose pipe of three quarters narrows to a half.
    np.testing.assert_allclose(flow, [0.75, 0.5, 0.0])


@pytest.mark.parametrize("residual", [0.0, 0.5])
def test_it_is_the_width_of_the_narrowest_cut(residual):
    for seed in range(4):
        weights = random_stack(2, 2, 4, 4, seed=seed)
        found = attention_flow(weights, 3, residual_weight=residual)
        np.testing.assert_allclose(found, [slow_flow(weights, 3, key, residual) for key in range(4)], atol=1e-9)


def test_it_is_what_linear_programming_finds():
    rng = np.random.default_rng(3)
    for _ in range(5):
        widths = rng.uniform(size=(8, 8)) * (rng.uniform(size=(8, 8)) < 0.5)
        np.fill_diagonal(widths, 0.0)
        np.testing.assert_allclose(maximum_flow(widths, 0, 7), _linear_program(widths, 0, 7), atol=1e-9)


def test_a_path_that_blocks_another_is_taken_back():
    widths = np.zeros((6, 6))
    for start, end in ((0, 1), (0, 2), (1, 3), (2, 3), (1, 4), (3, 5), (4, 5)):
        widths[start, end] = 1.0
    # The first path found is 0, 1, 3, 5; then 2 has no way on, unless 1 goes by 4 instead.
    assert maximum_flow(widths, 0, 5) == 2.0


def _linear_program(widths, source, target):
    edges = np.argwhere(widths > 0)
    balance = np.zeros((len(widths), len(edges)))
    for index, (start, end) in enumerate(edges):
        balance[start, index] -= 1.0
        balance[end, index] += 1.0
    inner = [node for node in range(len(widths)) if node not in (source, target)]
    bounds = [(0.0, widths[start, end]) for start, end in edges]
    found = linprog(-balance[target], A_eq=balance[inner], b_eq=np.zeros(len(inner)), bounds=bounds)
    return -found.fun


def test_flows_lie_between_zero_and_one_and_masked_keys_get_none():
    weights = random_stack(3, 2, 6, 6)
    weights[..., 2] = 0.0
    weights[..., 2, :] = np.eye(6)[2]
    weights /= weights.sum(axis=-1, keepdims=True)
    flow = attention_flow(weights, 5)
    assert flow[2] == 0.0
    assert ((flow >= 0.0) & (flow <= 1.0 + 1e-9)).all()


def test_keys_not_asked_for_are_nan():
    flow = attention_flow(random_stack(2, 1, 4, 4), 3, keys=[1])
    assert np.isnan(flow[[0, 2, 3]]).all()
    assert flow[1] > 0.0


def test_uniform_in_gives_uniform_out():
    flow = attention_flow(np.full((3, 2, 5, 5), 0.2), 0, residual_weight=0.0)
    np.testing.assert_allclose(flow, flow[0])
