"""How far what one patch holds has travelled: which tokens carry a part of it after each layer, by rollout.

Rollout read down a column instead of along a row; its assumptions are `rollout`'s. Reference: Abnar & Zuidema, "Quantifying Attention Flow
in Transformers", ACL 2020, https://arxiv.org/abs/2005.00928. What really changes when the patch changes is found by covering it.
"""

from collections.abc import Iterable

import numpy as np

from octoscope.array_typing import Float
from octoscope.attention.rollout import mixed_attention
from octoscope.runs.run import Run


def rollout_column(
    layers: Iterable[Float[np.ndarray, "head token token"]], key: int, *, residual_weight: float = 0.5
) -> Float[np.ndarray, "depth token"]:
    """Returns which part of every token comes from one input token, before the first layer and after each.

    Args:
      layers: Weights after mask and softmax, the FIRST layer first.
      key: Place of the input token in the sequence.
      residual_weight: Share of a token that bypasses attention, in [0, 1].

    Returns:
      One row more than there are layers; the first is 1 at the key. The last is a column of `attention_rollout`.

    Raises:
      ValueError: If `residual_weight` is outside [0, 1], a weight is missing (NaN), or there is no layer.

    >>> halves = np.array([[[1.0, 0.0], [0.5, 0.5]]])
    >>> rollout_column([halves, halves], 0, residual_weight=0.0)
    array([[1.  , 0.  ],
           [1.  , 0.5 ],
           [1.  , 0.75]])
    """
    columns: list[np.ndarray] = []
    for layer_weights in layers:
        columns = columns or [np.eye(layer_weights.shape[-1])[key]]
        columns.append(mixed_attention(layer_weights, residual_weight=residual_weight) @ columns[-1])
    if not columns:
        raise ValueError("`layers` must hold at least one layer, got none.")
    return np.stack(columns)


def patch_travel(
    run: Run, *, camera: str, row: int, column: int, step: int, residual_weight: float = 0.5
) -> Float[np.ndarray, "depth token"]:
    """Returns `rollout_column` of one patch of the current frame, at one step of a run that kept every row, key and layer.

    Args:
      run: The run, made with `query_groups="all"`.
      camera: Whose patch.
      row: Of the patch grid.
      column: Of the patch grid.
      step: Step of the episode.
      residual_weight: Share of a token that bypasses attention, in [0, 1].

    Raises:
      SelectionError: If the run holds only some rows or layers, or not the camera or step.
      ValueError: If the patch does not exist, `residual_weight` is outside [0, 1], or keys are missing from the run.
    """
    span = run.layout.image_spans(camera)[-1]
    grid = span.source.grid
    if grid is None or not (0 <= row < grid[0] and 0 <= column < grid[1]):
        raise ValueError(f"The patch must lie on the grid {grid} of {camera}, got ({row}, {column}).")
    stack = (run.attention_matrix(step=step, layers=[layer])[0] for layer in run.check_layers(range(run.num_layers)))
    return rollout_column(stack, span.start + row * grid[1] + column, residual_weight=residual_weight)
