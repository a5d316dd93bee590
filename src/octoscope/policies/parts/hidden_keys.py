"""Keys hidden from the queries of a policy's attentions, as masks in the order of its stacks."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool

from octoscope.errors import SelectionError, nearest
from octoscope.tokens.layout import TokenLayout

# By the name of a stack: (key) hides keys from all of its queries, (query, key) from some.
Masks = Mapping[str, Bool[np.ndarray, "..."]]


def hidden_keys(layout: TokenLayout, masks: Masks | None, *, policy: str) -> list[Bool[np.ndarray, "_ _"]]:
    """Returns a mask (query, key) for each stack of a layout, True where hidden.

    Args:
      layout: The policy's tokens and stacks.
      masks: What is hidden; None hides nothing.
      policy: What the policy is called, for the error: "an ACT".

    Raises:
      SelectionError: If a stack is not known, a mask has another shape, or a query is left without any key.
    """
    masks, names = masks or {}, layout.stack_names
    for name in masks:
        if name not in names:
            raise SelectionError(f"No stack '{name}'; {policy} has {', '.join(names)}.{nearest(name, names)}")
    return [_whole(stack.name, stack.rules.shape, masks.get(stack.name)) for stack in layout.stacks]


def _whole(stack: str, shape: tuple[int, int], mask: Bool[np.ndarray, "..."] | None) -> Bool[np.ndarray, "query key"]:
    if mask is None:
        return np.zeros(shape, bool)
    if mask.shape not in (shape, shape[1:]):
        raise SelectionError(f"A mask of '{stack}' has the shape {shape[1:]} or {shape}, got {mask.shape}.")
    whole = np.array(np.broadcast_to(mask, shape))
    if whole.all(axis=1).any():
        raise SelectionError(f"A mask of '{stack}' leaves a query no key to look at.")
    return whole
