"""Who may look at whom in Octo: block-wise rules, computed from the names of the token groups.

Before key padding is applied. Prefix tokens look at all prefix tokens; observation tokens at the prefix and at observations of
the same or an earlier timestep; a readout at those and at its own group. Nobody else looks at a readout.
"""

import functools

import numpy as np

from octoscope.array_typing import Bool
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.rules import Rules
from octoscope.tokens.stack import AttentionStack

# Octo has one, over all tokens of its sequence.
STACK = "transformer"


@functools.lru_cache(maxsize=16)
def octo_rules(layout: TokenLayout, *, use_correct_attention: bool = True) -> Bool[np.ndarray, "query key"]:
    """Returns True where the rules let a query look at a key; over the whole sequence, which Octo's one stack spans.

    Args:
      layout: Of the sequence.
      use_correct_attention: False for the checkpoints of December 2023, where the first token of every group but the first of its
        kind is taken for a token of the group before it: there observation tokens see the readout.

    >>> from octoscope.tokens.token_source import TokenSource
    >>> groups = [("obs_primary", 2, TokenSource("image")), ("readout_action", 1, TokenSource("readout"))]
    >>> octo_rules(TokenLayout.assemble([], groups, window=1)).astype(int)
    array([[1, 1, 0],
           [1, 1, 0],
           [1, 1, 1]])
    """
    groups = _group_of_each_token(layout, use_correct_attention)
    times = np.concatenate([np.full(s.size, -1 if s.timestep is None else s.timestep) for s in layout.spans])
    is_task = np.char.startswith(groups, "task_")
    is_observation = np.char.startswith(groups, "obs_")
    is_readout = np.char.startswith(groups, "readout_")
    to_task = is_task[None, :]
    to_observation = is_observation[None, :] & (is_observation | is_readout)[:, None]
    to_own_readout = is_readout[:, None] & (groups[:, None] == groups[None, :])
    not_later = times[None, :] <= times[:, None]
    rules = (to_task | to_observation | to_own_readout) & not_later
    # The sequence is traced again and again, under the same rules.
    rules.flags.writeable = False
    return rules


def with_octo_stack(
    layout: TokenLayout, num_layers: int, num_heads: int, *, use_correct_attention: bool = True
) -> TokenLayout:
    """Returns the layout with Octo's one stack and its rules.

    Args:
      layout: Of the sequence.
      num_layers: Blocks of the transformer.
      num_heads: Attention heads of each block.
      use_correct_attention: As in `octo_rules`.
    """
    rules = Rules.of(octo_rules(layout, use_correct_attention=use_correct_attention))
    stack = AttentionStack(STACK, num_layers, num_heads, layout.groups, layout.groups, rules)
    return layout.with_stacks([stack])


def _group_of_each_token(layout: TokenLayout, use_correct_attention: bool) -> np.ndarray:
    """Returns, for each token, the name of the group whose rules it follows."""
    names: list[str] = []
    previous = None
    for span in layout.spans:
        follows = previous is not None and previous.timestep == span.timestep
        first = previous.group if follows and not use_correct_attention and previous else span.group
        names += [first] + [span.group] * (span.size - 1)
        previous = span
    return np.array(names)
