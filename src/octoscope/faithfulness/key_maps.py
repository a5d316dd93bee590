"""What each method that reads attention gives to every key of the readout's row."""

from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import Float
from octoscope.attention.flow import attention_flow
from octoscope.attention.relevance import relevance_row
from octoscope.attention.rollout import rollout_row
from octoscope.attention.value_norms import norm_weighted_attention
from octoscope.faithfulness.watched_step import WatchedStep

Gradients = tuple[Float[np.ndarray, "layer head query key"], Float[np.ndarray, "layer head query key"]]


def key_values(
    method: str,
    watched: WatchedStep,
    gradients: Gradients | None = None,
    *,
    keys: Sequence[int] | None = None,
    residual_weight: float = 0.5,
) -> Float[np.ndarray, " key"]:
    """Returns a method's value of every key.

    Args:
      method: Of KEY_METHODS.
      watched: The forward that acts.
      gradients: For "relevance": weights of a forward and the gradients with respect to them.
      keys: For "flow", which takes its time for each: only these, NaN for the others; all by default.
      residual_weight: For "rollout" and "flow": the share of a token that bypasses attention, in [0, 1].
    """
    row = watched.row
    rows = watched.weights[:, :, row]
    match method:
        case "last layer":
            return rows[-1].mean(axis=0, dtype=np.float64)
        case "mean of heads":
            return rows.mean(axis=(0, 1), dtype=np.float64)
        case "value-weighted":
            assert watched.moved_norms is not None, "the policy knows its values"
            moved = norm_weighted_attention(rows[:, :, None], watched.moved_norms)
            return moved[:, :, 0].mean(axis=(0, 1), dtype=np.float64)
        case "rollout":
            return rollout_row(watched.weights[::-1], row, residual_weight=residual_weight)[0]
        case "flow":
            return attention_flow(watched.weights, row, keys=keys, residual_weight=residual_weight)
    assert method == "relevance", f"{method} is a method"
    assert gradients is not None, "relevance needs gradients"
    return relevance_row(*gradients, row)
