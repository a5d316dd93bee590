"""Observation windows: which frames of an episode the policy sees at one step."""

import numpy as np

from octoscope.array_typing import Bool, Int


def observation_window(step: int, window: int) -> tuple[Int[np.ndarray, " window"], Bool[np.ndarray, " window"]]:
    """Returns the frames that make up the history at `step`, and which of them are real.

    Near the start of an episode the history reaches back before its first frame. There the first frame stands in,
    and its mask is False: the policy is told not to look at it.

    Args:
      step: The step the policy acts at, from 0.
      window: Timesteps of history, the present one included, at least 1.

    Returns:
      frame_indices: Positions in the episode, oldest first; the last one is `step`.
      timestep_pad_mask: True where the history lies within the episode.

    Raises:
      ValueError: If `step` is negative or `window` is less than 1.

    Example:
      >>> observation_window(1, 3)
      (array([0, 0, 1]), array([False,  True,  True]))
    """
    if step < 0:
        raise ValueError(f"`step` must be 0 or more, got {step}.")
    if window < 1:
        raise ValueError(f"`window` must be 1 or more, got {window}.")
    history = np.arange(step - window + 1, step + 1)
    return np.maximum(history, 0), history >= 0
