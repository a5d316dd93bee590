"""Which rows of the attention are kept while somebody watches."""

from dataclasses import dataclass, replace

from octoscope.policies.bind import BoundEpisode
from octoscope.policies.inputs import PolicyInputs
from octoscope.tokens.attention_selection import AttentionSelection, select_attention
from octoscope.tokens.layout import TokenLayout


@dataclass(frozen=True, eq=False)
class WatchedRows:
    """The layout of an episode's sequences, and the places in it whose attention is kept."""

    layout: TokenLayout
    # One for each stack of which something is kept.
    selections: tuple[AttentionSelection, ...]


def find_watched_rows(
    bound: BoundEpisode, inputs: PolicyInputs, *, query_groups: str | tuple[str, ...] | None
) -> WatchedRows:
    """Returns the rows of these groups in sequences made of inputs like these.

    Args:
      bound: The policy, and the observation of now.
      inputs: What the policy is given, with its whole window.
      query_groups: As in `attend`.

    Raises:
      SelectionError: If a group does not exist.
    """
    layout = bound.policy.layout(inputs)
    unrecorded = tuple(camera for camera in layout.cameras if camera not in bound.cameras)
    layout = replace(layout, unrecorded=unrecorded)
    return WatchedRows(layout, select_attention(layout, query_groups=query_groups))
