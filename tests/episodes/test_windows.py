import numpy as np
import pytest

from octoscope.episodes.windows import observation_window


@pytest.mark.parametrize(
    ("step", "window", "indices", "mask"),
    [
        (0, 1, [0], [True]),
        (0, 2, [0, 0], [False, True]),
        (1, 2, [0, 1], [True, True]),
        (1, 4, [0, 0, 0, 1], [False, False, True, True]),
        (9, 3, [7, 8, 9], [True, True, True]),
    ],
)
def test_window(step: int, window: int, indices: list[int], mask: list[bool]) -> None:
    frame_indices, timestep_pad_mask = observation_window(step, window)
    np.testing.assert_array_equal(frame_indices, indices)
    np.testing.assert_array_equal(timestep_pad_mask, mask)


@pytest.mark.parametrize(("step", "window", "argument"), [(-1, 2, "step"), (0, 0, "window")])
def test_refuses(step: int, window: int, argument: str) -> None:
    with pytest.raises(ValueError, match=f"`{argument}` must be"):
        observation_window(step, window)
