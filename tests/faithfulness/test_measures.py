"""Measures against SciPy and hand-worked cases; curves and cells."""

import numpy as np
import pytest
from scipy import integrate, stats

from octoscope import correlation
from octoscope.errors import SelectionError
from octoscope.faithfulness import measures
from octoscope.faithfulness.action_target import ActionTarget
from octoscope.faithfulness.cells import Cells
from octoscope.faithfulness.curves import removal_sets
from octoscope.faithfulness.head_memory import best_head
from octoscope.faithfulness.map_makers import spread_steps
from octoscope.faithfulness.settings import FaithfulnessSettings
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.token_source import TokenSource


@pytest.mark.parametrize("seed", range(20))
def test_correlations_agree_with_scipy(seed):
    rng = np.random.default_rng(seed)
    # Few levels, so that many cells are equal.
    some, others = rng.integers(0, 6, 40).astype(float), rng.normal(size=40)
    assert correlation.pearson(some, others) == pytest.approx(stats.pearsonr(some, others).statistic, abs=1e-12)
    assert correlation.spearman(some, others) == pytest.approx(stats.spearmanr(some, others).statistic, abs=1e-12)


def test_area_agrees_with_scipy():
    fractions, curve = np.array([0, 0.1, 0.4, 1.0]), np.array([1.0, 0.2, 0.5, -0.1])
    assert measures.area_under(fractions, curve) == pytest.approx(integrate.trapezoid(curve, fractions))


def test_a_map_that_does_not_vary_has_no_correlation_and_no_mass_no_ratio():
    assert np.isnan(correlation.pearson(np.full(4, 0.1), np.arange(4.0)))
    assert np.isnan(correlation.spearman(np.zeros(4), np.arange(4.0)))
    assert np.isnan(measures.mass_ratio(np.zeros(4), np.ones(4)))


def test_the_pointing_game_and_overlap_by_hand():
    values = np.array([0.1, 0.9, 0.0, 0.2, 0, 0, 0, 0, 0, 0])
    coverage = np.array([0, 0.01, 0, 0.5, 0, 0, 0, 0, 0, 0])
    assert measures.points_at(values, coverage) == 1.0
    assert measures.points_at(-values, coverage) == 0.0
    assert measures.top_overlap(values, coverage, part=0.1) == 0.5
    assert measures.top_overlap(values, coverage, part=0.2) == 1.0


def test_deletion_and_insertion_take_the_same_order():
    values, fractions = np.array([0.3, 0.1, 0.9, 0.1]), np.linspace(0, 1, 5)
    deleted = removal_sets(values, fractions, insertion=False)
    inserted = removal_sets(values, fractions, insertion=True)
    np.testing.assert_array_equal(deleted, ~inserted)
    assert [np.flatnonzero(row).tolist() for row in deleted] == [[], [2], [0, 2], [0, 1, 2], [0, 1, 2, 3]]


def test_the_best_head_is_the_one_that_goes_with_occlusion():
    rng = np.random.default_rng(0)
    references = [rng.random(12) for _ in range(3)]
    heads = [rng.random((2, 3, 12)) for _ in references]
    for step, reference in zip(heads, references, strict=True):
        step[1, 2] = reference + 0.1 * rng.random(12)
    assert best_head(heads, references) == (1, 2)


def test_cells_of_two_cameras_gather_over_the_window():
    groups = [
        ("obs_primary", 4, TokenSource("image", ("image_primary",), grid=(2, 2))),
        ("obs_wrist", 1, TokenSource("image", ("image_wrist",), grid=(1, 1))),
    ]
    cells = Cells(TokenLayout.assemble([("task_language", 2, TokenSource("language"))], groups, window=2))
    assert len(cells) == 5
    assert cells.keys().tolist() == [[2, 7], [3, 8], [4, 9], [5, 10], [6, 11]]
    assert cells.gathered(np.arange(12.0)).tolist() == [9, 11, 13, 15, 17]
    assert cells.picture(np.arange(5.0), "wrist").tolist() == [[4.0]]


def test_targets_choose_entries():
    action = np.array([[3.0, 4.0], [0.0, 1.0]], np.float32)
    moves = np.array([True, True])
    assert ActionTarget(1, 0).weights(action, moves).tolist() == [[0, 1], [0, 0]]
    along = ActionTarget().weights(action, moves)
    assert (along * action).sum() == pytest.approx(np.linalg.norm(action))
    only = ActionTarget().weights(action, np.array([True, False]))
    assert (only[:, 1] == 0).all()
    with pytest.raises(SelectionError, match=r"`dimension` must be in 0\.\.1, got 2"):
        ActionTarget(2).weights(action, moves)


def test_settings_refuse_what_is_not_known():
    with pytest.raises(SelectionError, match="Did you mean 'rollout'"):
        FaithfulnessSettings(methods=["rolout"])
    with pytest.raises(SelectionError, match="Did you mean 'keys'"):
        FaithfulnessSettings(deletion="key")
    with pytest.raises(SelectionError, match="`path_tolerance` must be above 0, got 0"):
        FaithfulnessSettings(path_tolerance=0.0)
    assert spread_steps(2, 3) == [0, 1]
    assert spread_steps(0, 3) == []
