"""The rows of all actions of a chunk, run again over what one forward left behind for them, with keys hidden from them alone.

Nobody but the actions looks at the actions, so this is exact for the direct path: what other tokens gathered stays as it was.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float, Float32, Int
from octoscope.tokens.layout import TokenLayout


@dataclass(frozen=True, eq=False)
class ActingRows:
    """A `RowPass`; layers of several passes lie one behind the other."""

    # Places of the actions.
    queries: Int[np.ndarray, " query"]
    visible: Bool[np.ndarray, " key"]
    actions: Float32[np.ndarray, "horizon dim"]
    weights: Float[np.ndarray, "layer head query key"]
    # Acts with keys of the layout hidden from the rows.
    act_without: Callable[[Bool[np.ndarray, " key"]], Float32[np.ndarray, "horizon dim"]]
    # Gradients of a weighted sum of the action with respect to the weights.
    gradients: Callable[[Float32[np.ndarray, "horizon dim"]], Float[np.ndarray, "layer head query key"]]

    def knock_out(self, sets: Bool[np.ndarray, "set key"]) -> Float32[np.ndarray, "set horizon dim"]:
        """Returns normalised actions with each set of keys hidden from the rows."""
        return np.stack([self.act_without(keys) for keys in sets])

    def weighted_gradients(
        self, weights: Float32[np.ndarray, "horizon dim"]
    ) -> Float32[np.ndarray, "layer head query key"]:
        """Returns the gradient of a weighted sum of the action with respect to the rows' attention."""
        return np.asarray(self.gradients(weights), np.float32)


def acting_places(layout: TokenLayout) -> Int[np.ndarray, " query"]:
    """Returns the places of the actions, of all timesteps."""
    return layout.places([span.group for span in layout.spans if span.source.kind == "readout"])


def over_layout(
    weights: Float[np.ndarray, "*axes query key"],
    layout: TokenLayout,
    stack: str,
    rows: Int[np.ndarray, " _query"],
) -> Float[np.ndarray, "*axes _query token"]:
    """Returns rows of a stack's weights over the whole layout: zeros on keys of other stacks.

    Args:
      weights: Of all queries and keys of the stack.
      layout: The tokens.
      stack: Its name.
      rows: Places of the layout.
    """
    known = layout.stack(stack)
    queries, keys = layout.places(known.query_groups), layout.places(known.key_groups)
    whole = np.zeros((*weights.shape[:-2], len(rows), layout.size), np.float32)
    whole[..., keys] = weights[..., np.searchsorted(queries, rows), :]
    return whole
