"""Which attention weights a run keeps: of which query groups, to which key groups, in which layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octoscope.array_typing import Int
from octoscope.errors import SelectionError
from octoscope.tokens.layout import TokenLayout

# Words for `query_groups`: every row of every timestep, and the readouts alone.
ALL, READOUT = "all", "readout"


@dataclass(frozen=True)
class AttentionSelection:
    """The rows, keys and layers of the attention that are kept; all heads always are."""

    query_groups: tuple[str, ...]
    # In sequence order, at every timestep.
    key_groups: tuple[str, ...]
    # In rising order; 0 is the first.
    layers: tuple[int, ...]
    # Rows of all timesteps of the window; of the current one alone when False.
    all_timesteps: bool = False

    @classmethod
    def choose(
        cls,
        layout: TokenLayout,
        *,
        num_layers: int,
        query_groups: str | Sequence[str] | None = None,
        key_groups: Sequence[str] | None = None,
        layers: Sequence[int] | None = None,
    ) -> "AttentionSelection":
        """Returns what is kept of a policy with this layout.

        Args:
          layout: The token layout.
          num_layers: Layers of the policy.
          query_groups: Groups whose rows at the current timestep are kept; "readout" for the readouts, "all" for every row of
            every timestep; by default the readouts and the words that can see images (the repeated instruction).
          key_groups: Groups whose keys are kept, at all timesteps; all by default.
          layers: Layers that are kept; all by default.

        Raises:
          SelectionError: If a group or layer does not exist, or nothing is chosen.

        >>> from octoscope.tokens.layout import TokenSource
        >>> groups = [("obs_primary", 4, TokenSource("image")), ("readout_action", 1, TokenSource("readout"))]
        >>> layout = TokenLayout.assemble([], groups, window=2)
        >>> AttentionSelection.choose(layout, num_layers=3, layers=[2]).bytes_per_step(layout, num_heads=6, dtype="float16")
        120
        """
        whole = query_groups in (ALL, [ALL], (ALL,))
        return cls(
            layout.groups if whole else _query_groups(layout, query_groups),
            _key_groups(layout, key_groups),
            _layers(num_layers, layers),
            all_timesteps=whole,
        )

    def query_places(self, layout: TokenLayout, group: str) -> Int[np.ndarray, " query"]:
        """Returns where in the sequence the kept rows of a query group lie."""
        return layout.select(group, timestep=None if self.all_timesteps else -1)

    def key_places(self, layout: TokenLayout) -> Int[np.ndarray, " key"]:
        """Returns where in the sequence the kept keys lie, in sequence order."""
        return np.sort(np.concatenate([layout.select(group) for group in self.key_groups]))

    def bytes_per_step(self, layout: TokenLayout, *, num_heads: int, dtype: str) -> int:
        """Returns what the weights of one step take before compression."""
        queries = sum(len(self.query_places(layout, group)) for group in self.query_groups)
        weights = len(self.layers) * num_heads * queries * len(self.key_places(layout))
        return weights * np.dtype(dtype).itemsize

    def to_manifest(self) -> dict[str, Any]:
        """Returns the entries of a run's manifest that say what was kept."""
        return {
            "query_groups": list(self.query_groups),
            "query_timesteps": "all" if self.all_timesteps else "current",
            "key_groups": list(self.key_groups),
            "layers": list(self.layers),
        }

    @classmethod
    def from_manifest(
        cls, manifest: Mapping[str, Any], layout: TokenLayout, *, num_layers: int
    ) -> "AttentionSelection":
        """Reads what `to_manifest` wrote; runs of format 1 kept all keys and layers of the current rows."""
        return cls(
            tuple(manifest["query_groups"]),
            tuple(manifest.get("key_groups", layout.groups)),
            tuple(manifest.get("layers", range(num_layers))),
            all_timesteps=manifest.get("query_timesteps") == "all",
        )


def default_query_groups(layout: TokenLayout) -> tuple[str, ...]:
    """Returns the readouts, then the repeated instruction, whose words can see images."""
    words = [span.group for span in layout.spans if span.source.repeats is not None]
    return tuple(dict.fromkeys((*_readouts(layout), *words))) or layout.groups[-1:]


def _readouts(layout: TokenLayout) -> tuple[str, ...]:
    return tuple(dict.fromkeys(span.group for span in layout.spans if span.source.kind == "readout"))


def _query_groups(layout: TokenLayout, asked: str | Sequence[str] | None) -> tuple[str, ...]:
    if asked is None:
        return default_query_groups(layout)
    names: list[str] = []
    for name in [asked] if isinstance(asked, str) else asked:
        names += _readouts(layout) if name == READOUT else [name]
    if not names:
        raise SelectionError(
            f"`query_groups` must name at least one group, got none. Groups: {', '.join(layout.groups)}."
        )
    for name in names:
        layout.find_spans(name)
    return tuple(dict.fromkeys(names))


def _key_groups(layout: TokenLayout, asked: Sequence[str] | None) -> tuple[str, ...]:
    if asked is None:
        return layout.groups
    for name in asked:
        layout.find_spans(name)
    if not asked:
        raise SelectionError(
            f"`key_groups` must name at least one group, got none. Groups: {', '.join(layout.groups)}."
        )
    return tuple(group for group in layout.groups if group in asked)


def _layers(num_layers: int, asked: Sequence[int] | None) -> tuple[int, ...]:
    chosen = range(num_layers) if asked is None else sorted(set(asked))
    if not chosen:
        raise SelectionError(f"`layers` must name at least one of 0..{num_layers - 1}, got none.")
    for layer in chosen:
        if not 0 <= layer < num_layers:
            raise SelectionError(f"`layers` must be in 0..{num_layers - 1}, got {layer}.")
    return tuple(int(layer) for layer in chosen)
