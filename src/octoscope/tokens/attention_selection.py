"""Which attention weights a run keeps: of which query groups, to which key groups, in which layers and passes of a stack."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octoscope.array_typing import Int
from octoscope.errors import SelectionError
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.stack import AttentionStack

# Words for `query_groups`: every row of every timestep, and the readouts alone.
ALL, READOUT = "all", "readout"


@dataclass(frozen=True)
class AttentionSelection:
    """The rows, keys, layers and passes of one stack's attention that are kept; all heads always are."""

    stack: str
    query_groups: tuple[str, ...]
    # In sequence order, at every timestep.
    key_groups: tuple[str, ...]
    # In rising order; 0 is the first.
    layers: tuple[int, ...]
    # Forwards of several that make one action, in rising order.
    passes: tuple[int, ...] = (0,)
    # Rows of all timesteps of the window; of the current one alone when False.
    all_timesteps: bool = False

    def query_places(self, layout: TokenLayout, group: str) -> Int[np.ndarray, " query"]:
        """Returns where in the layout the kept rows of a query group lie."""
        return layout.select(group, timestep=None if self.all_timesteps else -1)

    def key_places(self, layout: TokenLayout) -> Int[np.ndarray, " key"]:
        """Returns where in the layout the kept keys lie, in sequence order."""
        return layout.places(self.key_groups)

    def bytes_per_step(self, layout: TokenLayout, *, dtype: str) -> int:
        """Returns what the weights of one step take before compression."""
        queries = sum(len(self.query_places(layout, group)) for group in self.query_groups)
        weights = len(self.passes) * len(self.layers) * queries * len(self.key_places(layout))
        return layout.stack(self.stack).num_heads * weights * np.dtype(dtype).itemsize

    def array_name(self, group: str) -> str:
        """Returns where a run keeps the weights of a query group."""
        return f"attention/{self.stack}/{group}"

    def axes(self, layout: TokenLayout, group: str) -> tuple[str, ...]:
        """Returns the names of the axes of a group's weights, without the step's; several passes have an axis of their own."""
        passes = ("pass",) if layout.stack(self.stack).num_passes > 1 else ()
        return (*passes, "layer", "head", f"query_{group}", "key")

    def coordinates(self, layout: TokenLayout, steps: Sequence[int]) -> dict[str, Int[np.ndarray, "..."]]:
        """Returns what the indices of a stack's arrays stand for, by the name of the array that says it."""
        queries = {f"query_{group}": self.query_places(layout, group) for group in self.query_groups}
        passes = {"pass": self.passes} if layout.stack(self.stack).num_passes > 1 else {}
        known = {"step": steps, "layer": self.layers, "key": self.key_places(layout), **passes, **queries}
        return {f"attention/{self.stack}/{name}": np.array(values, np.int32) for name, values in known.items()}

    def to_manifest(self) -> dict[str, Any]:
        """Returns what was kept of the stack, for a run's manifest."""
        return {
            "query_groups": list(self.query_groups),
            "query_timesteps": "all" if self.all_timesteps else "current",
            "key_groups": list(self.key_groups),
            "layers": list(self.layers),
            "passes": list(self.passes),
        }

    @classmethod
    def from_manifest(cls, stack: str, kept: Mapping[str, Any]) -> "AttentionSelection":
        """Reads what `to_manifest` wrote."""
        return cls(
            stack,
            tuple(kept["query_groups"]),
            tuple(kept["key_groups"]),
            tuple(kept["layers"]),
            tuple(kept.get("passes", (0,))),
            all_timesteps=kept["query_timesteps"] == "all",
        )


def select_attention(
    layout: TokenLayout,
    *,
    query_groups: str | Sequence[str] | None = None,
    key_groups: Sequence[str] | None = None,
    layers: Sequence[int] | None = None,
    passes: str | Sequence[int] = "last",
) -> tuple[AttentionSelection, ...]:
    """Returns what is kept of each stack of a policy with this layout; stacks of which nothing is asked for are left out.

    Args:
      layout: The token layout, with its stacks.
      query_groups: Groups whose rows at the current timestep are kept; "readout" for the readouts, "all" for every row of
        every timestep; by default the readouts and the words that can see images (the repeated instruction), and of a stack that has
        neither, the tokens that are no patch.
      key_groups: Groups whose keys are kept, at all timesteps; all by default.
      layers: Layers that are kept, of each stack that has them; all by default.
      passes: Of a stack that runs several times for one action: "last", "all", or their numbers.

    Raises:
      SelectionError: If a group or layer does not exist, or nothing is chosen.

    >>> from octoscope.tokens.token_source import TokenSource
    >>> from octoscope.tokens.rules import Rules
    >>> groups = [("obs_primary", 4, TokenSource("image")), ("readout_action", 1, TokenSource("readout"))]
    >>> layout = TokenLayout.assemble([], groups, window=2)
    >>> everyone = Rules.of(np.ones((10, 10), bool))
    >>> layout = layout.with_stacks([AttentionStack("transformer", 3, 6, layout.groups, layout.groups, everyone)])
    >>> (selection,) = select_attention(layout, layers=[2])
    >>> selection.query_groups, selection.bytes_per_step(layout, dtype="float16")
    (('readout_action',), 120)
    """
    whole = query_groups in (ALL, [ALL], (ALL,))
    queries = None if whole else _query_groups(layout, query_groups)
    keys = _key_groups(layout, key_groups)
    _check_layers(layout, layers)
    if not isinstance(passes, str) and {*passes} - {0} and all(stack.num_passes == 1 for stack in layout.stacks):
        raise SelectionError(f"`passes` must be left out: every stack of the policy runs once, got {list(passes)}.")
    selections = []
    for stack in layout.stacks:
        rows = stack.query_groups if whole else _rows_of(layout, stack, queries)
        columns = tuple(group for group in stack.key_groups if group in keys)
        kept = (
            tuple(range(stack.num_layers)) if layers is None else tuple(sorted({*layers} & {*range(stack.num_layers)}))
        )
        if rows and columns and kept:
            chosen = _passes(stack, passes)
            selections.append(AttentionSelection(stack.name, rows, columns, kept, chosen, all_timesteps=whole))
    if not selections:
        raise SelectionError(
            f"No stack of the policy holds these together: rows of {', '.join(queries or layout.groups)}, keys of {', '.join(keys)}. "
            + "; ".join(
                f"{s.name}: {', '.join(s.query_groups)} look at {', '.join(s.key_groups)}" for s in layout.stacks
            )
        )
    return tuple(selections)


def default_query_groups(layout: TokenLayout, stack: AttentionStack) -> tuple[str, ...]:
    """Returns the readouts of a stack, then the repeated instruction, whose words can see images; else its tokens that are no patch."""
    words = [group for group in stack.query_groups if layout.find_spans(group)[0].source.repeats is not None]
    readouts = [group for group in stack.query_groups if group in _readouts(layout)]
    others = [group for group in stack.query_groups if layout.find_spans(group)[0].source.kind != "image"]
    return tuple(dict.fromkeys((*readouts, *words))) or tuple(others) or stack.query_groups[-1:]


def _readouts(layout: TokenLayout) -> tuple[str, ...]:
    return tuple(dict.fromkeys(span.group for span in layout.spans if span.source.kind == "readout"))


def _rows_of(layout: TokenLayout, stack: AttentionStack, asked: tuple[str, ...] | None) -> tuple[str, ...]:
    if asked is None:
        return default_query_groups(layout, stack)
    return tuple(group for group in asked if group in stack.query_groups)


def _query_groups(layout: TokenLayout, asked: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if asked is None:
        return None
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


def _check_layers(layout: TokenLayout, asked: Sequence[int] | None) -> None:
    deepest = max((stack.num_layers for stack in layout.stacks), default=0)
    if asked is not None and not len(asked):
        raise SelectionError(f"`layers` must name at least one of 0..{deepest - 1}, got none.")
    for layer in asked or ():
        if not 0 <= layer < deepest:
            raise SelectionError(f"`layers` must be in 0..{deepest - 1}, got {layer}.")


def _passes(stack: AttentionStack, asked: str | Sequence[int]) -> tuple[int, ...]:
    if isinstance(asked, str):
        if asked not in ("last", "all"):
            raise SelectionError(f"`passes` must be 'last', 'all' or numbers, got '{asked}'.")
        return tuple(range(stack.num_passes)) if asked == "all" else (stack.num_passes - 1,)
    if stack.num_passes == 1:
        return (0,)
    for number in asked:
        if not 0 <= number < stack.num_passes:
            raise SelectionError(f"`passes` must be in 0..{stack.num_passes - 1} for '{stack.name}', got {number}.")
    return tuple(sorted({int(number) for number in asked})) or (stack.num_passes - 1,)
