"""Attention rollout: how strongly each input token reaches each token through all layers.

Reference: Abnar & Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020, section 3. https://arxiv.org/abs/2005.00928

What it assumes: a token takes in others in proportion to the mean of its heads' weights and keeps a fixed part of itself. It knows
neither values nor MLPs nor signs, and drifts towards even attention with depth: look at `rollout_row`'s layers before trusting it.
"""

from collections.abc import Iterable

import numpy as np

from octoscope.array_typing import Float
from octoscope.errors import SelectionError
from octoscope.runs.run import Run


def attention_rollout(
    attention_weights: Float[np.ndarray, "layer head token token"], *, residual_weight: float = 0.5
) -> Float[np.ndarray, "token token"]:
    """Multiplies the head-averaged attention of all layers, first layer innermost.

    The mask is respected by itself: a forbidden weight is 0 and stays 0, except through other tokens. Costs a product of two
    (token, token) matrices a layer; where one query is enough, `rollout_row` costs a vector's.

    Args:
      attention_weights: Weights after mask and softmax; each row (last axis) sums to 1.
      residual_weight: Share of a token that bypasses attention, in [0, 1].

    Returns:
      Row `q` is the distribution over input tokens that reach output token `q`; it sums to 1.

    Raises:
      ValueError: If `residual_weight` is outside [0, 1], or a weight is missing (NaN).

    >>> attention_rollout(np.full((2, 1, 4, 4), 0.25)).sum(axis=-1)
    array([1., 1., 1., 1.])
    """
    identity = np.eye(attention_weights.shape[-1])
    rollout = identity
    for layer_weights in attention_weights:
        rollout = mixed_attention(layer_weights, residual_weight=residual_weight) @ rollout
    return rollout


def rollout_row(
    layers_from_last: Iterable[Float[np.ndarray, "head token token"]], query: int, *, residual_weight: float = 0.5
) -> Float[np.ndarray, "depth token"]:
    """Returns how one output token is made up of the tokens at each depth, from the input (first) to its own layer (last).

    Row 0 is the query's row of `attention_rollout`; the rows between show how it got there, and whether it is merely drifting
    towards even attention. Only one layer is in memory at a time, for stacks that are too big for it.

    Args:
      layers_from_last: Weights after mask and softmax, the LAST layer first.
      query: Place of the output token in the sequence.
      residual_weight: Share of a token that bypasses attention, in [0, 1].

    Returns:
      One row more than there are layers; each sums to 1. The last is 1 at the query.

    Raises:
      ValueError: If `residual_weight` is outside [0, 1], a weight is missing (NaN), or there is no layer.

    >>> halves = np.array([[[1.0, 0.0], [0.5, 0.5]]])
    >>> rollout_row([halves, halves], 1, residual_weight=0.0)
    array([[0.75, 0.25],
           [0.5 , 0.5 ],
           [0.  , 1.  ]])
    """
    rows: list[np.ndarray] = []
    for layer_weights in layers_from_last:
        rows = rows or [np.eye(layer_weights.shape[-1])[query]]
        rows.append(rows[-1] @ mixed_attention(layer_weights, residual_weight=residual_weight))
    if not rows:
        raise ValueError("`layers_from_last` must hold at least one layer, got none.")
    return np.stack(rows[::-1])


def run_rollout(run: Run, query: int, *, step: int, residual_weight: float = 0.5) -> Float[np.ndarray, "depth token"]:
    """Returns `rollout_row` of one step of a run that kept every row, key and layer.

    Args:
      run: The run, made with `query_groups="all"`.
      query: Place of the output token in the sequence, e.g. `run.layout.select("readout_action", timestep=-1)[0]`.
      step: Step of the episode.
      residual_weight: Share of a token that bypasses attention, in [0, 1].

    Raises:
      SelectionError: If the run holds only some rows or layers, or not the step, or the stack's tokens look at others than themselves.
      ValueError: If `residual_weight` is outside [0, 1], or keys are missing from the run.
    """
    stack = run.stack
    if stack.query_groups != stack.key_groups:
        raise SelectionError(
            f"Tokens of '{stack.name}' look at other tokens than themselves ({', '.join(stack.key_groups)}), so its layers cannot be "
            "multiplied: roll out a stack whose tokens look at each other."
        )
    layers = run.check_layers(range(run.num_layers))
    matrices = (run.attention_matrix(step=step, layers=[layer])[0] for layer in reversed(layers))
    return rollout_row(matrices, query, residual_weight=residual_weight)


def mixed_attention(
    layer_weights: Float[np.ndarray, "head token token"], *, residual_weight: float
) -> Float[np.ndarray, "token token"]:
    """Returns the mean of the heads, mixed with the identity for what bypasses attention.

    Raises:
      ValueError: If `residual_weight` is outside [0, 1], or a weight is missing (NaN).
    """
    if not 0.0 <= residual_weight <= 1.0:
        raise ValueError(f"`residual_weight` must lie in [0, 1], got {residual_weight}.")
    heads = layer_weights.mean(axis=0, dtype=np.float64)
    if np.isnan(heads).any():
        raise ValueError(
            "`attention_weights` must hold every row and key of every layer, got NaN for some: what was not captured cannot be rolled "
            "out. Capture all with query_groups='all' and no choice of keys or layers."
        )
    return (1.0 - residual_weight) * heads + residual_weight * np.eye(heads.shape[-1])
