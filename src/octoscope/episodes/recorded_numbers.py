"""Which recorded arrays are numbers of a step, and which are pictures or clouds that nobody asked for."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from octoscope.errors import EpisodeError

# A 64 x 64 depth map, the smallest picture about, has as many.
_MOST_NUMBERS = 4095


def is_step_number(shape: Sequence[int], dtype: np.dtype, *, steps: int) -> bool:
    """Returns whether an array is numbers of each step: time comes first, and a step is no picture and smaller than one.

    >>> is_step_number((300, 4, 4), np.dtype("float64"), steps=300), is_step_number((300, 96, 96), np.dtype("float32"), steps=300)
    (True, False)
    """
    picture = len(shape) > 3 or (len(shape) == 3 and dtype == np.uint8)
    fits = bool(shape) and shape[0] == steps and math.prod(shape[1:]) <= _MOST_NUMBERS
    return fits and not picture and dtype.kind in "fiub"


def as_actions(recorded: np.ndarray) -> np.ndarray:
    """Returns recorded actions as (time, dim) of floating-point numbers, otherwise as they are."""
    actions = recorded if recorded.dtype.kind == "f" else recorded.astype(np.float32)
    return actions.reshape(len(actions), -1)


def check_lengths(lengths: Mapping[str, int]) -> int:
    """Returns the number of steps that all have.

    Args:
      lengths: By what is counted: an image, the actions.

    Raises:
      EpisodeError: If they differ, or there is no step.
    """
    if len(set(lengths.values())) > 1:
        counted = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise EpisodeError(
            f"all that is recorded must have the same number of steps, but {counted}. Record or copy it again."
        )
    steps = next(iter(lengths.values()), 0)
    if not steps:
        raise EpisodeError("the episode has no steps.")
    return steps
