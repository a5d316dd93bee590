"""History against cases worked by hand from the reference."""

import numpy as np
import pytest

from octoscope.episodes.windows import observation_window
from octoscope.serving.history import extend_history, stack_history


def observe(step: int) -> dict:
    return {"proprio": np.full(2, float(step)), "pad_mask_dict": {"proprio": np.bool_(True)}}


def test_the_first_observation_fills_the_window_and_only_the_last_copy_is_real():
    stacked = stack_history(extend_history(None, observe(0), window=3))
    np.testing.assert_array_equal(stacked["proprio"], [[0, 0], [0, 0], [0, 0]])
    np.testing.assert_array_equal(stacked["timestep_pad_mask"], [0, 0, 1])
    np.testing.assert_array_equal(stacked["pad_mask_dict"]["proprio"], [True, True, True])


def test_the_window_moves_and_the_mask_fills():
    history, rows = None, []
    for step in range(5):
        history = extend_history(history, observe(step), window=3)
        stacked = stack_history(history)
        rows.append((stacked["proprio"][:, 0].tolist(), stacked["timestep_pad_mask"].astype(int).tolist()))
    assert rows == [
        ([0, 0, 0], [0, 0, 1]),
        ([0, 0, 1], [0, 1, 1]),
        ([0, 1, 2], [1, 1, 1]),
        ([1, 2, 3], [1, 1, 1]),
        ([2, 3, 4], [1, 1, 1]),
    ]


@pytest.mark.parametrize("window", [1, 2, 4])
def test_a_loop_sees_the_windows_that_a_recorded_episode_gives(window):
    history = None
    for step in range(6):
        history = extend_history(history, observe(step), window=window)
        indices, real = observation_window(step, window)
        stacked = stack_history(history)
        np.testing.assert_array_equal(stacked["proprio"][:, 0], indices)
        np.testing.assert_array_equal(stacked["timestep_pad_mask"], real)


def test_a_history_is_not_changed_by_what_comes_after():
    first = extend_history(None, observe(0), window=2)
    extend_history(first, observe(1), window=2)
    assert first.seen == 1
    np.testing.assert_array_equal(stack_history(first)["proprio"], [[0, 0], [0, 0]])
