"""Who may look at whom, as the policy's layout states it."""

import numpy as np

from octoscope.array_typing import Bool
from octoscope.tokens.layout import HasLayout, TokenLayout, layout_of


def attention_rule_mask(layout: TokenLayout | HasLayout, stack: str | None = None) -> Bool[np.ndarray, "query key"]:
    """Returns True where the rules of a stack let a query look at a key, before padding is taken away; `TokenLayout.rules`.

    Args:
      layout: From `OctoModel.token_layout`, or a run's.
      stack: Its name; the one that acts by default.

    Raises:
      SelectionError: If there is no such stack.
    """
    layout = layout_of(layout)
    return layout.rules(stack)
