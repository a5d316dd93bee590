"""Chunks into actions against cases worked by hand from the reference."""

import numpy as np
import pytest

from octoscope.errors import SelectionError
from octoscope.serving.execution import find_execution
from octoscope.serving.receding_horizon import RecedingHorizon
from octoscope.serving.temporal_ensemble import TemporalEnsemble


def chunk_of(step: int, horizon: int = 4) -> np.ndarray:
    """What the policy predicts at `step`: 100 * step + the place in the chunk, and its negative."""
    values = 100.0 * step + np.arange(horizon)
    return np.stack([values, -values], axis=-1)


def execute(execution, steps: int) -> tuple[list[float], list[int]]:
    """Returns the first entry of each action, and the steps at which the policy was asked."""
    pending, actions, asked = (), [], []
    for step in range(steps):
        chunk = None
        if execution.wants_chunk(pending):
            chunk = chunk_of(step)
            asked.append(step)
        pending, action = execution.next_action(pending, chunk)
        assert action[1] == -action[0]
        actions.append(float(action[0]))
    return actions, asked


@pytest.mark.parametrize(
    ("execution", "actions", "asked"),
    [
        (RecedingHorizon(1), [0, 100, 200, 300, 400], [0, 1, 2, 3, 4]),
        (RecedingHorizon(2), [0, 1, 200, 201, 400], [0, 2, 4]),
        (RecedingHorizon(3), [0, 1, 2, 300, 301], [0, 3]),
        (RecedingHorizon(None), [0, 1, 2, 3, 400], [0, 4]),
    ],
)
def test_the_first_actions_of_a_chunk_are_carried_out_then_the_policy_is_asked_again(execution, actions, asked):
    assert execute(execution, 5) == (actions, asked)


def test_the_plain_ensemble_is_the_mean_of_all_chunks_that_foresaw_now():
    actions, asked = execute(TemporalEnsemble(), 6)
    # Step 1: chunk 0 foresaw 1, chunk 1 says 100. From step 3 on four chunks take part, and the oldest falls out.
    expected = [0, (1 + 100) / 2, (2 + 101 + 200) / 3, (3 + 102 + 201 + 300) / 4, (103 + 202 + 301 + 400) / 4]
    assert actions[:5] == pytest.approx(expected, abs=1e-12)
    assert actions[5] == pytest.approx((203 + 302 + 401 + 500) / 4, abs=1e-12)
    assert asked == list(range(6))


def test_ensemble_weights_fall_from_the_oldest_to_the_newest():
    (_, second, third), _ = execute(TemporalEnsemble(exp_weight=np.log(2.0)), 3)
    # exp(-ln 2 * i) = 1, 1/2, 1/4 with i = 0 for the oldest.
    assert second == pytest.approx((1 * 1 + 100 / 2) / 1.5, abs=1e-12)
    assert third == pytest.approx((2 * 1 + 101 / 2 + 200 / 4) / 1.75, abs=1e-12)


def test_a_shorter_ensemble_forgets_sooner():
    actions, _ = execute(TemporalEnsemble(pred_horizon=2), 4)
    assert actions == pytest.approx([0, (1 + 100) / 2, (101 + 200) / 2, (201 + 300) / 2], abs=1e-12)


def test_what_is_pending_is_not_changed_in_place():
    execution = TemporalEnsemble()
    first, _ = execution.next_action((), chunk_of(0))
    execution.next_action(first, chunk_of(1))
    assert len(first) == 1
    pending, _ = RecedingHorizon(3).next_action((), chunk_of(0))
    _, once = RecedingHorizon(3).next_action(pending, None)
    _, again = RecedingHorizon(3).next_action(pending, None)
    np.testing.assert_array_equal(once, again)


def test_numbers_that_cannot_be_are_refused():
    with pytest.raises(SelectionError, match="`exec_horizon` must be 1 or more"):
        RecedingHorizon(0)
    with pytest.raises(SelectionError, match="at most 4, the actions that the policy predicts, got 5"):
        RecedingHorizon(5).next_action((), chunk_of(0))
    with pytest.raises(SelectionError, match="finite"):
        TemporalEnsemble(float("nan"))
    with pytest.raises(SelectionError, match="`pred_horizon` must be 1 or more"):
        TemporalEnsemble(pred_horizon=0)
    with pytest.raises(SelectionError, match="at most 4, the actions that the policy predicts, got 5"):
        TemporalEnsemble(pred_horizon=5).next_action((), chunk_of(0))
    with pytest.raises(SelectionError, match="Did you mean 'receding'"):
        find_execution("recedin")
