"""Who may look at whom: Octo's block-wise attention rules, computed from the token layout.

Before key padding is applied. Prefix tokens look at all prefix tokens; observation tokens at the prefix and at observations of
the same or an earlier timestep; a readout at those and at its own group. Nobody else looks at a readout.
"""

import functools

import numpy as np

from octoscope.array_typing import Bool
from octoscope.tokens.layout import TokenLayout


@functools.lru_cache(maxsize=16)
def attention_rule_mask(layout: TokenLayout) -> Bool[np.ndarray, "query key"]:
    """Returns True where the rules let a query look at a key.

    With `layout.use_correct_attention` False, the first token of every group but the first of its kind is taken for a token
    of the group before it, as in the checkpoints of December 2023: there observation tokens see the readout.

    >>> from octoscope.tokens.layout import TokenSource
    >>> groups = [("obs_primary", 2, TokenSource("image")), ("readout_action", 1, TokenSource("readout"))]
    >>> attention_rule_mask(TokenLayout.assemble([], groups, window=1)).astype(int)
    array([[1, 1, 0],
           [1, 1, 0],
           [1, 1, 1]])
    """
    groups = _group_of_each_token(layout)
    times = np.concatenate([np.full(s.size, -1 if s.timestep is None else s.timestep) for s in layout.spans])
    is_task = np.char.startswith(groups, "task_")
    is_observation = np.char.startswith(groups, "obs_")
    is_readout = np.char.startswith(groups, "readout_")
    to_task = is_task[None, :]
    to_observation = is_observation[None, :] & (is_observation | is_readout)[:, None]
    to_own_readout = is_readout[:, None] & (groups[:, None] == groups[None, :])
    not_later = times[None, :] <= times[:, None]
    rules = (to_task | to_observation | to_own_readout) & not_later
    # Pictures ask for the same rules again and again, and share them.
    rules.flags.writeable = False
    return rules


def _group_of_each_token(layout: TokenLayout) -> np.ndarray:
    """Returns, for each token, the name of the group whose rules it follows."""
    names: list[str] = []
    previous = None
    for span in layout.spans:
        follows = previous is not None and previous.timestep == span.timestep
        first = previous.group if follows and not layout.use_correct_attention and previous else span.group
        names += [first] + [span.group] * (span.size - 1)
        previous = span
    return np.array(names)
