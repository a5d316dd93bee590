"""Which rows of the attention are kept while somebody watches."""

import dataclasses
import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from octoscope.array_typing import Int
from octoscope.policies.octo.model import OctoModel
from octoscope.runs.attention_selection import AttentionSelection, select_attention
from octoscope.tokens.layout import TokenLayout


@dataclass(frozen=True, eq=False)
class WatchedRows:
    """The layout of an episode's sequences, and the places in it whose attention is kept."""

    layout: TokenLayout
    selection: AttentionSelection

    @functools.cached_property
    def places(self) -> dict[str, Int[np.ndarray, " query"]]:
        """By query group, the places of its tokens."""
        return {group: self.selection.query_places(self.layout, group) for group in self.selection.query_groups}

    @functools.cached_property
    def query_rows(self) -> tuple[int, ...]:
        """All places, group after group, as `OctoModel.act` takes them."""
        return tuple(int(place) for places in self.places.values() for place in places)


def find_watched_rows(
    model: OctoModel,
    observations: Mapping[str, Any],
    tasks: Mapping[str, Any],
    *,
    instruction: str,
    cameras: Collection[str],
    query_groups: str | tuple[str, ...] | None,
) -> WatchedRows:
    """Returns the rows of these groups in sequences made of inputs like these.

    Args:
      model: The policy.
      observations: With leading (1, window).
      tasks: From `OctoModel.create_tasks`.
      instruction: Whose word pieces go on the language tokens.
      cameras: That gave frames; black images stand in for the others.
      query_groups: As in `attend`.

    Raises:
      SelectionError: If a group does not exist.
    """
    layout = model.token_layout(observations, tasks)
    unrecorded = tuple(camera for camera in layout.cameras if camera not in cameras)
    layout = dataclasses.replace(layout, unrecorded=unrecorded)
    layout = model.with_words(layout, instruction)
    (selection,) = select_attention(layout, query_groups=query_groups)
    return WatchedRows(layout, selection)
