"""Tokens with their pad mask and what they were made from, as they travel through the policy."""

from typing import Any

from flax import struct

from octoscope.tokens.token_source import TokenSource


@struct.dataclass
class TokenGroup:
    """Tokens of one group, with leading (batch,) for task tokens or (batch, window) for timestep tokens."""

    # Float "... token embed".
    tokens: Any
    # Bool or float "... token"; True or 1 where the token may be looked at.
    mask: Any
    source: TokenSource = struct.field(pytree_node=False)
